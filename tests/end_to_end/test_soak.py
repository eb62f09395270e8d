"""The soak in small: client, mock, spool and warehouse agree after an outage of Postgres and a kill -9."""

from pathlib import Path

import pytest

from tests.benchmarks.proxy.soak import run_soak, say
from tests.benchmarks.proxy.soak_plan import Plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("soak")]


def test_nothing_acknowledged_is_lost_while_postgres_is_away_and_the_proxy_is_killed(
    tmp_path: Path, parsed_project: Path
) -> None:
    """Nor does a cent: the proxy's ledger, what landed, the charges and the marts are the same."""
    report = run_soak(
        Plan(rate=80.0, seconds=30.0, outage=12.0), home=tmp_path / "home", parsed=parsed_project
    )
    # Times are told, not asserted: the machine may be busy with other tests.
    say(report)
    assert report.problems == []
    assert report.books.acknowledged > 80 * 30 / 2
    assert report.books.raw.calls >= report.books.acknowledged
