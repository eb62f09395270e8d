"""The checks of `raw/llm_calls`: structure blocks and quarantines, everything else warns."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg
import psycopg

from ingest.database.url import DatabaseUrl
from orchestration.checks.landed_day import count_calls, known_models, rows_query, texts_query
from orchestration.checks.open_days import STRUCTURE, DayCheck, record
from orchestration.checks.quarantine import quarantine_day
from orchestration.partitions import POOL, checked_window
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse
from orchestration.windows import days_of

LLM_CALLS = dg.AssetKey(["raw", "llm_calls"])
# Above this share it is not some rows that are broken but the landing: the whole day waits.
BLOCKING_SHARE = 0.5
WARNINGS = {
    "error_rate": "At most 20 % of a day's calls are not ok.",
    "known_models": "The price book or genai-prices knows the model of 99 % of a day's calls.",
    "tokens_match_text": "In 95 % of answers of 200 characters and more a token is 0.5 to 12 characters.",
}


@dg.multi_asset_check(
    name="landed_days",
    specs=[
        dg.AssetCheckSpec(
            STRUCTURE,
            asset=LLM_CALLS,
            blocking=True,
            description="Ids, times and types are sound; broken rows go to evaluation.quarantine.",
        ),
        *(dg.AssetCheckSpec(name, asset=LLM_CALLS, description=text) for name, text in WARNINGS.items()),
    ],
    pool=POOL,
)
def landed_days(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse
) -> Iterator[dg.AssetCheckResult]:
    """Great Expectations on each landed day of the run, in Postgres, with the failing calls listed."""
    window = checked_window(context, now=datetime.now(UTC))
    with warehouse.url() as url, warehouse.connect() as connection:
        checks = check_days(connection, url, days_of([window]))
    by_name: dict[str, list[DayCheck]] = defaultdict(list)
    for check in checks:
        by_name[check.name].append(check)
    for name in (STRUCTURE, *WARNINGS):
        yield check_result(name, by_name[name])


def check_days(connection: psycopg.Connection, url: DatabaseUrl, days: Sequence[date]) -> list[DayCheck]:
    """Check every day, quarantine broken rows, and write `evaluation.day_checks`."""
    # Great Expectations takes 8 s to import, which every load of the code location would pay.
    from orchestration.checks.expectations import LandedDays

    expectations = LandedDays(url)
    try:
        checks = [check for day in days for check in _check_day(connection, expectations, day)]
    finally:
        expectations.close()
    record(connection, checks)
    return checks


def check_result(name: str, checks: Sequence[DayCheck]) -> dg.AssetCheckResult:
    """One result over the window's days. It blocks the run only if no day of it may go on.

    A range of seven days with one broken day fails as a warning: downstream leaves that day out and
    works on the other six.
    """
    failed = [check for check in checks if not check.passed]
    is_blocked = bool(checks) and all(not c.passed and c.severity == "error" for c in checks)
    listed = [(c.day, call_id) for c in failed for call_id in c.call_ids][:20]
    days = [(c.day, "passed" if c.passed else "failed", c.n, c.details.get("observed", "")) for c in checks]
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=LLM_CALLS,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if is_blocked else dg.AssetCheckSeverity.WARN,
        metadata={
            "n_failing": sum(check.n for check in failed),
            "days": dg.MetadataValue.md(markdown_table(("day", "result", "failing calls", "observed"), days)),
            "failing_calls": dg.MetadataValue.md(markdown_table(("day", "call_id"), listed)),
        },
    )


def _check_day(connection: psycopg.Connection, expectations: "object", day: date) -> Iterator[DayCheck]:
    from orchestration.checks.expectations import Finding, LandedDays

    assert isinstance(expectations, LandedDays)
    n_calls = count_calls(connection, day)
    if n_calls == 0:
        yield from (DayCheck(day, name, True, 0, "warn") for name in (STRUCTURE, *WARNINGS))
        return
    n_quarantined = quarantine_day(connection, day)
    known = known_models(connection, day)
    findings = expectations.rows(day, rows_query(connection, day, known=known))
    findings += expectations.texts(day, texts_query(connection, day, n_calls=n_calls))
    facets: list[Finding] = [f for f in findings if f.name.startswith(STRUCTURE)]
    yield DayCheck(
        day,
        STRUCTURE,
        passed=all(facet.passed for facet in facets),
        n=n_quarantined,
        severity="error" if n_quarantined > BLOCKING_SHARE * n_calls else "warn",
        call_ids=tuple(dict.fromkeys(call_id for facet in facets for call_id in facet.call_ids))[:20],
        details={"n_calls": n_calls},
    )
    for finding in findings:
        if finding.name in WARNINGS:
            details = {"observed": round(finding.observed, 4), "n_calls": n_calls}
            yield DayCheck(day, finding.name, finding.passed, finding.n, "warn", finding.call_ids, details)
