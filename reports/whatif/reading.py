"""Recorded traffic re-priced: one query a day, added up as it comes; reads only.

Memory holds a line for each candidate and name asked for, however many calls there are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from psycopg import Connection, IsolationLevel
from psycopg.rows import TupleRow, class_row

from evaluators.pricing.book import call_tier, tier_name
from evaluators.pricing.rows import PriceRow
from reports.whatif.candidates import Prices
from reports.whatif.classes import Edges, edges_of
from reports.whatif.fine import Rates
from reports.whatif.pricing import Estimate, Group, Lacking, estimate
from reports.whatif.query import select_groups, values_of
from reports.whatif.question import Question
from reports.whatif.totals import Totals

FETCH_GROUPS = 5_000

BOOK: LiteralString = """
select
    id, provider, model, match, bucket, usd_per_million, min_input_tokens, service_tier, currency, valid_from,
    valid_to, recorded_at, superseded_at, source, price_version
from cost.prices
where superseded_at is null
"""

ENDS: LiteralString = """
select (min(started_at) at time zone 'UTC')::date, (max(started_at) at time zone 'UTC')::date
from raw.llm_calls
"""


@contextmanager
def snapshot(connection: Connection[TupleRow]) -> Iterator[None]:
    """A read-only transaction that sees one state of prices and charges throughout."""
    before = connection.isolation_level, connection.read_only
    connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
    try:
        with connection.transaction():
            # The planner has no statistics of the newest day, and compiling costs more than a day's query.
            connection.execute("set local jit = off")
            yield
    finally:
        connection.isolation_level, connection.read_only = before


def held_rows(connection: Connection[TupleRow]) -> list[PriceRow]:
    """The price book as it is."""
    with connection.cursor(row_factory=class_row(PriceRow)) as cursor:
        return cursor.execute(BOOK).fetchall()


def reprice(
    connection: Connection[TupleRow],
    question: Question,
    *,
    prices: Prices,
    on_day: Callable[[date, int], None] = lambda _day, _of: None,
) -> Totals:
    """The answer, day by day, inside the caller's transaction; `on_day` is told which day is read next, and
    of how many."""
    edges = edges_of(prices.rows, question.candidates)
    totals = Totals()
    fine: frozenset[Rates] = frozenset()
    days = _recorded_days(connection, question)
    for day in days:
        on_day(day, len(days))
        found = _read_day(connection, question, day, prices=prices, edges=edges, fine=fine)
        while found.is_short:
            found = _read_day(connection, question, day, prices=prices, edges=edges, fine=found.fine)
        # Tomorrow has mostly the prices of today: only a day with others is read twice.
        fine = found.fine
        totals.merge(found.totals)
    return totals


def days_of(first: date, last: date) -> list[date]:
    """The days from the first to the last, both inclusive."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _recorded_days(connection: Connection[TupleRow], question: Question) -> list[date]:
    """Those of the days that lie between the first and the last call there is: people ask for centuries."""
    found = connection.execute(ENDS).fetchone()
    if found is None or found[0] is None:
        return []
    first, last = max(question.traffic.first, found[0]), min(question.traffic.last, found[1])
    return [] if first > last else days_of(first, last)


@dataclass(frozen=True, slots=True)
class AddedUp:
    """Groups under every candidate. `fine` are all remainders of rates that single attempts are rounded at;
    with `is_short` some were not among what was read, and the totals lack those groups."""

    totals: Totals
    fine: frozenset[Rates]
    is_short: bool


def add_up(groups: Iterable[Group], question: Question, *, prices: Prices) -> AddedUp:
    """Groups under every candidate."""
    totals = Totals()
    used: set[Rates] = set()
    lacking: set[Rates] = set()
    for group in groups:
        totals.recorded.add(group)
        for candidate in question.candidates:
            outcome = estimate(group, candidate=candidate, terms=question.terms, book=prices.book)
            if isinstance(outcome, Lacking):
                lacking.add(outcome.fine)
                continue
            totals.line(group.names, candidate).add(group, outcome)
            if isinstance(outcome, Estimate) and outcome.fine is not None:
                used.add(outcome.fine)
    return AddedUp(totals, frozenset(used | lacking), is_short=bool(lacking))


def group_of(row: Sequence[Any], question: Question, day: date, *, fine: Sequence[Rates]) -> Group:
    """A row of the query that was made with `fine`."""
    names, provider, model, tier, said, stated, reason, at_us, input_tokens, n, rounded, *counts, actual = row
    tier = tier_name(tier) if tier is not None else call_tier(said, stated=stated)
    given = {"day": f"{day:%Y-%m-%d}", "month": f"{day:%Y-%m}", "tier": tier}
    told = iter(names)
    return Group(
        names=tuple(given[name] if name in given else next(told) for name in question.by),
        provider=provider or "",
        model=model or "",
        tier=tier,
        reason=reason,
        at_us=at_us,
        input_tokens=input_tokens,
        n=n,
        counts=None if counts[0] is None else tuple(counts),  # pyright: ignore[reportArgumentType]
        actual_usd=None if actual is None else Decimal(actual),
        rounded=dict(zip(fine, rounded, strict=True)),
    )


def _read_day(
    connection: Connection[TupleRow],
    question: Question,
    day: date,
    *,
    prices: Prices,
    edges: Edges,
    fine: frozenset[Rates],
) -> AddedUp:
    asked = sorted(fine)
    with connection.cursor("whatif", scrollable=False) as cursor:
        cursor.itersize = FETCH_GROUPS
        cursor.execute(select_groups(question, fine=asked), values_of(question, day, edges=edges))
        return add_up((group_of(row, question, day, fine=asked) for row in cursor), question, prices=prices)
