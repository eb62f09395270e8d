"""Runs of one day at the same time leave what a single run leaves.

`tests/benchmarks/bench_concurrent_windows.py` does the same twenty times over.
"""

from pathlib import Path

import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.dbt_project.races import race, three_runners
from tests.dbt_project.running_dbt import Dbt, days
from tests.dbt_project.seed import FIRST_DAY, MIDDLE_DAY


@pytest.mark.slow
def test_two_refreshes_and_a_backfill_at_once_equal_a_single_run(
    seeded: DatabaseUrl, dbt: Dbt, scratch: Path
) -> None:
    dbt.build(seeded, windows=days(FIRST_DAY, count=3))
    with three_runners(scratch, parsed=dbt.parsed) as runners, connect(seeded) as connection:
        for number in range(2):
            outcome = race(connection, runners, url=seeded, day=MIDDLE_DAY, number=number)
            assert outcome.complaints == ()
            assert outcome.different == ()
