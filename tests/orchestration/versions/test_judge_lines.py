"""Judges and recorded scores through dbt: a call stands under the version of its time, and under no other."""

from collections.abc import Sequence
from datetime import timedelta
from typing import LiteralString

import pytest

from ingest.database.connect import connect
from orchestration.dbt import run_dbt
from orchestration.refresh import light_refresh
from orchestration.versions.bridging import bridge_versions
from orchestration.versions.promoting import promote
from orchestration.versions.recorded import land_recorded
from orchestration.versions.recorded_rows import RecordedScore
from orchestration.versions.registry import Version
from orchestration.windows import Window
from tests.orchestration.conftest import Stack
from tests.orchestration.rules.fake_rules import Steered, rule
from tests.orchestration.seeding import DAY_START, add_calls, rows
from tests.orchestration.versions.scoring import Connection, version

DAY = timedelta(days=1)
FIRST, SECOND = DAY_START.date(), (DAY_START + DAY).date()
LINES: LiteralString = """
select
    (hour at time zone 'UTC')::date::text, evaluator_version, sum(n_eligible)::int, sum(n_scored)::int,
    round((sum(n_scored * mean_score) / sum(n_scored))::numeric, 2)::float
from marts.quality_hourly
where evaluator = 'helpfulness'
group by 1, 2 order by 1, 2
"""


def land(connection: Connection, of: Version, grade: int) -> None:
    found = rows(connection, "select call_id from raw.llm_calls")
    scores = [
        RecordedScore(n, key, str(key), grade, None, None, None, None) for n, (key,) in enumerate(found)
    ]  # type: ignore[arg-type]
    assert land_recorded(connection, of, scores).n_landed == 300


@pytest.mark.slow
def test_a_recorded_judge_shows_from_its_promotion_on(stack: Stack) -> None:
    with connect(stack.url) as connection:

        def refresh() -> None:
            def dbt(windows: Sequence[Window]) -> None:
                run_dbt(stack.settings, stack.url, windows, selector="refresh")

            light_refresh(connection, run_dbt=dbt, rules=[rule("refusal", Steered())])

        with connection.transaction():
            add_calls(connection, 150, seed="first")
            add_calls(connection, 150, seed="second", start=DAY_START + DAY)
        kind, stern = (
            version(connection, name, evaluator="helpfulness", kind="external") for name in ("kind", "stern")
        )
        land(connection, kind, 5)
        land(connection, stern, 2)
        refresh()
        # Both have scored every call; only the first is current.
        old = [(str(FIRST), "kind", 150, 150, 5.0), (str(SECOND), "kind", 150, 150, 5.0)]
        assert rows(connection, LINES) == old

        bridge_versions(connection, before=kind, after=stern, first_day=FIRST, last_day=SECOND)
        promote(connection, stern, from_day=SECOND)
        refresh()
        assert rows(connection, LINES) == [old[0], (str(SECOND), "stern", 150, 150, 2.0)]
        boundary = rows(
            connection,
            "select from_version, to_version, value_offset, n_shared from marts.evaluator_boundaries",
        )
        assert boundary == [("kind", "stern", -3.0, 300)]
