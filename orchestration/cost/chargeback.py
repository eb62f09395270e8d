"""The books of a month: stated once per project, never changed.

What a month's statement holds is computed from `marts.cost_hourly`: the month's own lines, and for every
month closed before it the difference between what its calls cost now and all that has been stated for them.
So the statements of all months add up to what their calls cost, as known at the last close. There is none for
a month that has not changed since the last close; only the others are compared (`changed_months`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from orchestration.cost.changed_months import forget, is_sure, see_changed, take_changed, watch
from orchestration.cost.chargeback_queries import (
    ADD,
    COPY_LINES,
    DIFFERENCE,
    LINES,
    NEIGHBOURS,
    OPEN_DAYS,
    STATED,
)
from orchestration.cost.seals import seal_before, sealed
from orchestration.transactions import LOCK, writing

CHARGES = "cost.charges"
HOURS = "marts.cost_hourly"


class ChargebackError(Exception):
    """A month that cannot be closed or shown; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the calls of one month cost a project by key, model, purpose and kind of attempt; as a difference
    to what was stated before where `of_month` lies before the statement's month."""

    of_month: date
    project: str
    key_id: str
    provider: str
    model: str
    purpose: str
    line: str
    n_attempts: int
    n_calls: int
    n_unpriced: int
    amount_usd: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """A month's lines; `closed_at` is None for one that is still open. `is_intact` is False where a closed
    month's lines or sums are no longer those that were sealed: `seal` is the SHA-256 over the seal of the
    month before and the lines, as hexadecimal digits. `compared` are the months stated before that were
    looked at for it, where it was made just now."""

    month: date
    lines: Sequence[Line]
    closed_at: datetime | None = None
    closed_by: str | None = None
    is_intact: bool = True
    seal: str | None = None
    compared: Sequence[date] = ()

    @property
    def amount_usd(self) -> Decimal:
        return sum((line.amount_usd for line in self.lines), Decimal(0))


def close_month(
    connection: Connection[TupleRow],
    month: date,
    *,
    closed_by: str,
    begins: bool = False,
    compare_all: bool = False,
    now: datetime | None = None,
) -> Statement:
    """State what the month cost, for good; raises ChargebackError where it is not over, not complete, closed
    already, or out of turn: one that leaves earlier charges out must be said to begin the books. Waits
    for running charges and refreshes, so that the lines are of one moment. Of the months before, those that
    changed since the last close are compared, or all of them (`compare_all`)."""
    start, end = _bounds(month)
    if end > (now or datetime.now(UTC)):
        raise ChargebackError(f"{month:%Y-%m} is not over")
    span = {"start": start, "end": end}
    with writing(connection, relation=CHARGES):
        connection.execute(LOCK, (HOURS,))
        _check_turn(connection, month, span=span, begins=begins)
        _check_complete(connection, month, span=span)
        watched_by = watch(connection)
        changed = take_changed(connection)
        compared = _compared(connection, month, changed=None if compare_all else changed)
        lines = _lines(connection, LINES, month, compared=compared)
        if not lines and not begins:
            _check_begun(connection, month)
        amount = sum((line.amount_usd for line in lines), Decimal(0))
        seal = _seal(connection, month, lines)
        connection.execute(ADD, (month, closed_by, len(lines), amount, seal, watched_by))
        with (
            connection.cursor() as cursor,
            cursor.copy(COPY_LINES) as copy,
        ):
            for line in lines:
                copy.write_row((month, *_values(line)))
        forget(connection, changed)
    return replace(read_statement(connection, month), compared=compared)


def read_statement(connection: Connection[TupleRow], month: date) -> Statement:
    """The statement of a closed month as it was made; of any other, what it would be now."""
    with connection.transaction():
        held = connection.execute(
            "select closed_at, closed_by, content_hash, n_lines, amount_usd"
            " from cost.chargebacks where month = %s",
            [month],
        ).fetchone()
        if held is None:
            last = connection.execute("select max(month) from cost.chargebacks").fetchone()
            if last and last[0] and last[0] > month:
                raise ChargebackError(f"{month:%Y-%m} lies before {last[0]:%Y-%m}, which is closed")
            compared = _compared(connection, month, changed=see_changed(connection))
            return Statement(month, _lines(connection, LINES, month, compared=compared), compared=compared)
        lines = _lines(connection, STATED, month)
        closed_at, closed_by, seal, n_lines, amount_usd = held
        sums = len(lines), sum((line.amount_usd for line in lines), Decimal(0))
        is_intact = _seal(connection, month, lines) == bytes(seal) and sums == (n_lines, amount_usd)
    return Statement(month, lines, closed_at, closed_by, is_intact, bytes(seal).hex())


def closed_months(connection: Connection[TupleRow]) -> list[date]:
    """The months that are closed, the oldest first."""
    with connection.transaction():
        rows = connection.execute("select month from cost.chargebacks order by month").fetchall()
    return [month for (month,) in rows]


def _bounds(month: date) -> tuple[datetime, datetime]:
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    return start, (start + timedelta(days=31)).replace(day=1)


def _check_turn(
    connection: Connection[TupleRow], month: date, *, span: dict[str, datetime], begins: bool
) -> None:
    row = connection.execute(NEIGHBOURS, span).fetchone()
    last, missing, left_out = row or (None, None, None)
    if last is not None and last >= month:
        problem = "is closed already" if last == month else f"lies before {last:%Y-%m}, which is closed"
        raise ChargebackError(f"{month:%Y-%m} {problem}")
    if missing is not None:
        raise ChargebackError(f"close {missing:%Y-%m} first: it has charges")
    if left_out is not None and not begins:
        raise ChargebackError(
            f"{left_out:%Y-%m} has charges: close it first,"
            f" or let the books begin with {month:%Y-%m} (--begin)"
        )


def _check_begun(connection: Connection[TupleRow], month: date) -> None:
    """An empty month is stated among others; as the first, for good, it is a slip more often than not."""
    if connection.execute("select from cost.chargebacks limit 1").fetchone() is None:
        raise ChargebackError(
            f"{month:%Y-%m} has nothing to state (demo calls are left out): --begin begins the books with it"
        )


def _check_complete(connection: Connection[TupleRow], month: date, *, span: dict[str, datetime]) -> None:
    row = connection.execute(DIFFERENCE, span).fetchone()
    if row and (row[0], row[1]) != (row[2], row[3]):
        raise ChargebackError(
            f"cost_hourly holds {row[2]:,} attempts and {row[3]} USD of {month:%Y-%m}, the charges are"
            f" {row[0]:,} and {row[1]}: run lqo backfill marts for that month first"
        )
    days = [f"{day:%d}" for (day,) in connection.execute(OPEN_DAYS, span).fetchall()]
    if days:
        command = f"lqo backfill llm_calls --from {month:%Y-%m}-{days[0]} --to {month:%Y-%m}-{days[-1]}"
        raise ChargebackError(
            f"days of {month:%Y-%m} are not closed yet: {', '.join(days)} (`lqo up` closes them at 02:00 UTC;"
            f" so does {command})"
        )


def _compared(
    connection: Connection[TupleRow], month: date, *, changed: Collection[date] | None
) -> list[date]:
    """The months stated before that may need an adjustment; None for `changed`: any of them."""
    before = "select month from cost.chargebacks where month < %s order by month"
    stated = [each for (each,) in connection.execute(before, [month]).fetchall()]
    if changed is None or not is_sure(connection, month):
        return stated
    return [each for each in stated if each in changed]


def _lines(
    connection: Connection[TupleRow], query: LiteralString, month: date, *, compared: Sequence[date] = ()
) -> list[Line]:
    with connection.cursor(row_factory=class_row(Line)) as cursor:
        return cursor.execute(query, {"month": month, "months": [month, *compared]}).fetchall()


def _seal(connection: Connection[TupleRow], month: date, lines: Sequence[Line]) -> bytes:
    return sealed(map(_values, lines), previous=seal_before(connection, month))


def _values(line: Line) -> list[object]:
    return [getattr(line, name) for name in Line.__slots__]
