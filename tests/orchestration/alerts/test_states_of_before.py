"""States of before the engine: the migration gives them the names and fingerprints that the engine makes."""

import runpy
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.alerts.engine.groups import fingerprint
from orchestration.alerts.reading.types import Group

MIGRATION = Path(__file__).parents[3] / "infra" / "migrations" / "versions" / "0024_alert_states.py"


@pytest.mark.parametrize(
    ("rule", "key", "group"),
    [
        ("failing_share", "모델 🦜", (("model", "모델 🦜"),)),
        ("judge_grades", "tone 1.0.0+a · m", (("judge", "tone 1.0.0+a"), ("model", "m"))),
        ("judge_grades", "tone 1.0.0+a · a · b", (("judge", "tone 1.0.0+a"), ("model", "a · b"))),
    ],
)
def test_a_state_of_before_is_the_same_alert(
    rolled_back: psycopg.Connection[TupleRow], rule: str, key: str, group: Group
) -> None:
    migration = runpy.run_path(str(MIGRATION))
    columns = f"{migration['FINGERPRINT']}, {migration['DIMENSIONS']}"
    query = f"select {columns} from (values (%s::text, %s::text)) as states (rule, group_key)"
    found = rolled_back.execute(query.encode(), (rule, key)).fetchone()
    assert found == (fingerprint(rule, group), dict(group))
