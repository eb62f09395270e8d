"""docs/alerting.md: its example is accepted, and it tells every shipped rule as the rule stands."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from orchestration.alerts.definition.document import rule_section
from orchestration.alerts.definition.load import load_path
from orchestration.alerts.reading.read import read_windows
from orchestration.alerts.reading.trial import find_rule_faults
from tests.conftest import REPOSITORY
from tests.orchestration.alerts.conftest import NOON, SHIPPED, Marts

DOCUMENT = (REPOSITORY / "docs" / "alerting.md").read_text()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_rule_is_told_as_it_stands_and_what_to_do(name: str) -> None:
    section = rule_section(SHIPPED[name])

    assert section in DOCUMENT, f"docs/alerting.md should say:\n\n{section}"
    assert DOCUMENT.partition(section)[2].lstrip().startswith("**What to do:** ")
    assert SHIPPED[name].runbook == f"docs/alerting.md#{name}"


def test_it_tells_no_rule_that_is_gone() -> None:
    told = re.findall(r"^### ([a-z0-9_]+)$", DOCUMENT.partition("## The shipped rules")[2], re.M)

    assert sorted(told) == sorted(SHIPPED)


def test_its_example_is_accepted_and_can_be_read(marts: Marts, tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT, re.M | re.S)
    path = tmp_path / "example.yaml"
    path.write_text(example)
    marts.hour(NOON - timedelta(hours=1), n=4, n_error=1, project="checkout")

    found = load_path(path)

    assert [str(problem) for problem in found.problems] == []
    assert [fault for one in found.rules for fault in find_rule_faults(marts.connection, one.rule)] == []
    window = (NOON - timedelta(days=1), NOON)
    sizes = [len(read_windows(marts.connection, rule, windows=[window])[0]) for rule in found.in_force]
    assert sizes == [1, 0, 0]
