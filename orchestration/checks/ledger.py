"""The ledger: every eligible call is scored, unscored with a reason, sampled out or pending."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg
import psycopg

from orchestration.checks.open_days import DayCheck, record
from orchestration.partitions import POOL, checked_window
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse
from orchestration.windows import days_of

COVERAGE = dg.AssetKey(["marts", "evaluation_coverage"])

UNBALANCED = """
select
    day,
    count(*) filter (where n_eligible <> n_scored + n_unscored + n_sampled_out + n_pending),
    sum(n_pending)
from marts.evaluation_coverage
where day = any(%s)
group by day
"""


@dg.asset_check(asset=COVERAGE, name="ledger", blocking=True, pool=POOL)
def ledger(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> dg.AssetCheckResult:
    """eligible = scored + unscored + sampled_out + pending on every row; pending calls are reported."""
    days = days_of([checked_window(context, now=datetime.now(UTC))])
    with warehouse.connect() as connection:
        checks = check_ledger(connection, days)
    rows = [(c.day, "balanced" if c.passed else "unbalanced", c.n, c.details["pending"]) for c in checks]
    return dg.AssetCheckResult(
        passed=all(check.passed for check in checks),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "days": dg.MetadataValue.md(markdown_table(("day", "ledger", "rows off", "pending"), rows)),
            "n_pending": sum(int(check.details["pending"]) for check in checks),
        },
    )


def check_ledger(connection: psycopg.Connection, days: Sequence[date]) -> list[DayCheck]:
    """Balance the ledger of each day and write `evaluation.day_checks`."""
    found = {day: (off, pending) for day, off, pending in connection.execute(UNBALANCED, (list(days),))}
    checks = [_day_check(day, *found.get(day, (0, 0))) for day in days]
    record(connection, checks)
    return checks


def _day_check(day: date, n_off: int, n_pending: int) -> DayCheck:
    return DayCheck(day, "ledger", n_off == 0, n_off, "error", details={"pending": int(n_pending or 0)})
