"""A judge's version: all that may change a verdict, and nothing else."""

import re
from dataclasses import replace
from typing import Any

import pytest

from evaluators.judging import judge as judging
from tests.evaluators.judging.samples import spec


def test_a_version_is_the_rubrics_semver_and_a_hash() -> None:
    assert re.fullmatch(r"1\.0\.0\+[0-9a-f]{12}", spec().version)
    assert spec().version == spec().version
    assert spec().evaluator == "helpfulness"


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "judge-2"},
        {"temperature": 0.1},
        {"temperature": None},
        {"seed": 2},
        {"max_tokens": 100},
        {"max_tokens_field": "max_completion_tokens"},
        {"reasoning_effort": "low"},
        {"base_url_ref": "elsewhere"},
        {"prompt_version": "9.0.0"},
        {"output": "text"},
        {"max_input_bytes": 1_000},
    ],
)
def test_whatever_may_change_a_verdict_changes_the_version(changed: dict[str, Any]) -> None:
    assert spec(**changed).version != spec().version


def test_another_word_in_the_rubric_changes_the_version() -> None:
    judge = spec()
    other = replace(judge, rubric=replace(judge.rubric, guidance=judge.rubric.guidance + "!"))
    assert other.version != judge.version


def test_leave_to_grade_its_own_model_changes_no_verdict_and_no_version() -> None:
    assert spec(allows_same_model=True).version == spec().version


@pytest.mark.parametrize(
    ("name", "value"),
    [("PARSER_VERSION", "9.0.0"), ("SCHEMA", {}), ("template_hash", lambda: "other")],
)
def test_another_prompt_or_parser_changes_the_version(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spec().version
    monkeypatch.setattr(judging, name, value)
    assert spec().version != before
