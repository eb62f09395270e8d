"""Checks of the charges: no closed day changes silently, and no single figure is absurd."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import LiteralString

import dagster as dg
import psycopg

from orchestration.checks.open_days import DayCheck, record
from orchestration.partitions import POOL, checked_window
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse
from orchestration.transactions import writing
from orchestration.windows import day_window, days_of

CHARGES = dg.AssetKey(["cost", "charges"])
CLOSED, PLAUSIBLE = "closed_days", "plausible_amounts"
LOOK_BACK = 7
"""Closed days of any age that each run looks at besides its own, those first that waited longest."""

CLOSED_DAYS: LiteralString = """
select closes.day
from evaluation.day_closes as closes
left join evaluation.day_checks as checks on checks.day = closes.day and checks.check_name = 'closed_days'
where closes.reopened_at is null or closes.reopened_at < closes.closed_at
order by closes.day = any(%(days)s) desc, checks.checked_at nulls first, closes.day
limit cardinality(%(days)s) + %(more)s
"""

# Sums do not see what cancels out, such as a cost moved from one project to another: the digest does. Image
# tokens are in it only where there are any, so that older days have the digest that they had.
SUMS: LiteralString = """
select
    count(*),
    count(*) filter (where amount_usd is null),
    coalesce(sum(
        coalesce(input_uncached, 0) + coalesce(cache_read, 0) + coalesce(cache_write, 0)
        + coalesce(cache_write_1h, 0) + coalesce(input_audio, 0) + coalesce(output_text, 0)
        + coalesce(reasoning, 0) + coalesce(output_audio, 0)
        + coalesce(input_image, 0) + coalesce(output_image, 0)
    ), 0),
    coalesce(sum(amount_usd), 0),
    coalesce(sum(hashtextextended(
        row(
            charges.call_id, attempt, charges.provider, model, price_row_ids, input_uncached, cache_read,
            cache_write, cache_write_1h, input_audio, output_text, reasoning, output_audio,
            trim_scale(amount_usd), unpriced_reason, trim_scale(reported_usd),
            calls.project, calls.key_id, calls.environment, calls.purpose
        )::text || case
            when input_image > 0 or output_image > 0
                then row(coalesce(input_image, 0), coalesce(output_image, 0))::text
            else ''
        end,
        0
    )::numeric), 0)
from cost.charges_as_known(%(known_at)s) as charges
left join raw.llm_calls as calls
    on calls.started_at = charges.started_at
    and calls.call_id = charges.call_id
    and calls.started_at >= %(start)s
    and calls.started_at < %(end)s
where charges.started_at >= %(start)s and charges.started_at < %(end)s
"""

SEEN: LiteralString = """
select seen_at, n_charges, n_unpriced, n_tokens, amount_usd, digest
from cost.day_sums
where day = %s
order by seen_at desc
"""

# A hundredfold gap is no contract and no rounding; below a cent a provider's own rounding may be one, and
# there only a thousandfold gap is none.
IMPLAUSIBLE: LiteralString = """
select
    (started_at at time zone 'UTC')::date,
    count(*),
    (array_agg(call_id::text order by greatest(amount_usd, reported_usd) desc))[:20],
    max(greatest(amount_usd, reported_usd))
from cost.charges
where started_at >= %(start)s
  and started_at < %(end)s
  and reported_usd is not null
  and amount_usd is not null
  and greatest(amount_usd, reported_usd)
      > least(amount_usd, reported_usd)
          * case when greatest(amount_usd, reported_usd) > 0.01 then 100 else 1000 end
  and greatest(amount_usd, reported_usd) > 0.0001
group by 1
"""


@dataclass(frozen=True, slots=True)
class Sums:
    """What the charges of a day add up to. `digest` is None where nobody took one."""

    n_charges: int
    n_unpriced: int
    n_tokens: Decimal
    amount_usd: Decimal
    digest: Decimal | None


@dg.multi_asset_check(
    name="charged_days",
    specs=[
        dg.AssetCheckSpec(
            CLOSED,
            asset=CHARGES,
            description="What a closed day cost has changed only where a restatement says so.",
        ),
        dg.AssetCheckSpec(
            PLAUSIBLE,
            asset=CHARGES,
            description="No call's price is a hundred times the provider's own figure, or a hundredth of it.",
        ),
    ],
    pool=POOL,
)
def charged_days(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse
) -> Iterator[dg.AssetCheckResult]:
    """The sums of closed days against their history, and single figures against the provider's own."""
    days = days_of([checked_window(context, now=datetime.now(UTC))])
    with warehouse.connect() as connection:
        closed = check_closed_days(connection, days)
        plausible = check_amounts(connection, days)
    yield _result(CLOSED, closed, severity=dg.AssetCheckSeverity.ERROR)
    yield _result(PLAUSIBLE, plausible, severity=dg.AssetCheckSeverity.WARN)


def check_closed_days(
    connection: psycopg.Connection, days: Sequence[date], *, look_back: int = LOOK_BACK
) -> list[DayCheck]:
    """Compare what each closed day cost when first and last looked at with what the history says of then.

    They differ only if a charge was changed, added or removed without a row of history, or its call given to
    another project, key, environment or purpose: that fails, and goes on failing. A day never seen before is
    taken as it is; a change that the history explains is written down.
    """
    with connection.transaction():
        given = {"days": list(days), "more": look_back}
        closed = [day for (day,) in connection.execute(CLOSED_DAYS, given)]
    checks = [_check_day(connection, day) for day in closed]
    record(connection, checks)
    return checks


def check_amounts(connection: psycopg.Connection, days: Sequence[date]) -> list[DayCheck]:
    """Find calls where our price and the provider's own figure cannot both be right."""
    checks: list[DayCheck] = []
    for day in days:
        window = day_window(day)
        with connection.transaction():
            found = connection.execute(IMPLAUSIBLE, {"start": window.start, "end": window.end}).fetchone()
        _, n, call_ids, largest = found or (day, 0, [], None)
        details: dict[str, float | int | str] = {} if largest is None else {"observed": f"${largest:f}"}
        checks.append(DayCheck(day, PLAUSIBLE, n == 0, n, "warn", tuple(call_ids), details))
    record(connection, checks)
    return checks


def _check_day(connection: psycopg.Connection, day: date) -> DayCheck:
    # No charge is written meanwhile, so that what is seen now is what history will say of now.
    with writing(connection, relation="cost.charges"):
        seen = connection.execute(SEEN, (day,)).fetchall()
        row = connection.execute("select clock_timestamp()").fetchone()
        now = row[0] if row else datetime.now(UTC)
        current = _sums(connection, day, known_at=now)
        # What was said last, and what was said first: the history itself may be changed between the two.
        for seen_at, *said in dict.fromkeys([*seen[:1], *seen[-1:]]):
            held, then = Sums(*said), _sums(connection, day, known_at=seen_at)
            if then != (held if held.digest is not None else replace(held, digest=then.digest)):
                return _silent(day, seen_at=seen_at, before=held, then=then)
        before = Sums(*seen[0][1:]) if seen else None
        if current != before:
            connection.execute(
                "insert into cost.day_sums values (%s, %s, %s, %s, %s, %s, %s)",
                (day, now, *astuple(current)),
            )
    delta = Decimal(0) if before is None else current.amount_usd - before.amount_usd
    return DayCheck(
        day, CLOSED, True, 0, "warn", details={"observed": f"restated by ${delta:f}" if delta else ""}
    )


def _silent(day: date, *, seen_at: datetime, before: Sums, then: Sums) -> DayCheck:
    said = f"${before.amount_usd:f} in {before.n_charges:,} charges when seen {seen_at:%Y-%m-%d %H:%M}"
    found = f"${then.amount_usd:f} in {then.n_charges:,} by the history"
    if replace(before, digest=then.digest) == then:
        found += ": the same sum of other charges, or of other projects"
    n_off = abs(then.n_charges - before.n_charges) or 1
    return DayCheck(day, CLOSED, False, n_off, "error", details={"observed": f"{said}, {found}"})


def _sums(connection: psycopg.Connection, day: date, *, known_at: datetime) -> Sums:
    window = day_window(day)
    given = {"known_at": known_at, "start": window.start, "end": window.end}
    row = connection.execute(SUMS, given).fetchone()
    return Sums(*row) if row else Sums(0, 0, Decimal(0), Decimal(0), Decimal(0))


def _result(name: str, checks: Sequence[DayCheck], *, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    days = [(c.day, "passed" if c.passed else "failed", c.n, c.details.get("observed", "")) for c in checks]
    listed = [(c.day, call_id) for c in checks for call_id in c.call_ids][:20]
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=CHARGES,
        passed=all(check.passed for check in checks),
        severity=severity,
        metadata={
            "days": dg.MetadataValue.md(markdown_table(("day", "result", "off", "observed"), days)),
            "calls": dg.MetadataValue.md(markdown_table(("day", "call_id"), listed)),
        },
    )
