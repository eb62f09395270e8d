"""`lqo explain`: how one call's cents arise."""

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, LiteralString
from uuid import UUID

import psycopg
import typer
from psycopg.rows import dict_row

from orchestration.commands.errors import UserError
from orchestration.commands.explain_lines import Attempt, Row, budget_lines, call_lines, charge_lines
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

# A call's id holds its time, which is checked when it lands: each query reads one month by its key.
CALL: LiteralString = """
select started_at, provider, requested_model, served_model, project, purpose, status, source, external_id,
    usage_raw, usage::text as usage
from raw.llm_calls
where started_at = ingest.uuid7_time(%(id)s) and call_id = %(id)s
"""

_CHARGE: LiteralString = """
    attempt, provider, model, price_version, price_row_ids, input_uncached, cache_read, cache_write,
    cache_write_1h, input_audio, input_image, output_text, reasoning, output_audio, output_image, amount_usd,
    unpriced_reason, reported_usd, is_provisional, charged_at
"""

CHARGES: LiteralString = f"""
select {_CHARGE}, null::timestamptz as superseded_at, null::text as reason
from cost.charges
where started_at = ingest.uuid7_time(%(id)s) and call_id = %(id)s
union all
select {_CHARGE}, superseded_at, reason
from cost.charge_history
where started_at = ingest.uuid7_time(%(id)s) and call_id = %(id)s
order by attempt, superseded_at desc nulls first
"""

RESERVATION: LiteralString = """
select account, reserved_usd, spent_usd, is_presumed
from raw.reservations
cross join unnest(accounts) as account
where started_at = ingest.uuid7_time(%(id)s) and call_id = %(id)s
order by account
"""

FOREIGN_IDS: LiteralString = """
select call_id, source from raw.external_ids where external_id = %s order by source
"""

CONTROLS: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")
"""What clients and providers call things gives no orders to a terminal."""


def explain(
    call_id: Annotated[
        str, typer.Argument(help="The call's id, as in `x-lqo-call-id`, or the id that it was imported with.")
    ],
) -> None:
    """Say how a call's cost arises: usage, token buckets, price rows, versions, charge, earlier charges."""
    with open_warehouse(settings_or_exit()) as connection:
        lines = list(explanation(connection, find_call(connection, call_id)))
    for line in lines:
        typer.echo(CONTROLS.sub("\ufffd", line))


def find_call(connection: "psycopg.Connection[TupleRow]", text: str) -> UUID:
    """A call's id from itself, or from the foreign id that it came with. Raises UserError for any other."""
    text = text.strip()  # lines of a CSV end with a carriage return
    with contextlib.suppress(ValueError):
        if (number := UUID(text)).version == 7:
            return number
    with connection.transaction():
        found = connection.execute(FOREIGN_IDS, (text,)).fetchall() if text.isprintable() else []
    if not found:
        problem = f"{text[:80]!r} is no id of a call: neither a UUID v7 nor an id that one was imported with"
        raise UserError(problem, code=2)
    if len(found) > 1:
        named = ", ".join(f"{call_id} ({source})" for call_id, source in found)
        raise UserError(f"{text[:80]!r} is the id of several calls: {named}", code=2)
    return found[0][0]


def explanation(connection: "psycopg.Connection[TupleRow]", call_id: UUID) -> Iterator[str]:
    """The lines of `lqo explain`. Raises UserError for a call that has not landed."""
    from orchestration.cost.price_book import rows_by_id

    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        call = cursor.execute(CALL, {"id": call_id}).fetchone()
        charges: list[Row] = cursor.execute(CHARGES, {"id": call_id}).fetchall()
        budgets: list[Row] = cursor.execute(RESERVATION, {"id": call_id}).fetchall()
    if call is None:
        raise UserError(f"there is no call {call_id}; if it is new, it may not have landed yet")
    used = {number for charge in charges for number in charge["price_row_ids"]}
    prices = {row.id: row for row in rows_by_id(connection, used)}
    attempts = _attempts(connection, call_id)
    yield from call_lines(call_id, call)
    yield from budget_lines(budgets)
    if not charges:
        yield "not charged yet: the next refresh charges it"
    for charge in charges:
        yield ""
        yield from charge_lines(charge, prices, attempt=attempts.get(charge["attempt"]), usage=call["usage"])


def _attempts(connection: "psycopg.Connection[TupleRow]", call_id: UUID) -> dict[int, Attempt]:
    """Each attempt's usage and stated tier, as the charges read them."""
    from orchestration.cost.charging_queries import ONE_CALL

    with connection.transaction():
        rows = connection.execute(ONE_CALL, {"id": call_id}).fetchall()
    return {
        number: Attempt(provider=provider, endpoint=endpoint or "", usage=usage, stated_tier=tier)
        for _, _, number, provider, _, endpoint, usage, tier, _ in rows
    }
