"""`lqo explain`: how one call's cents arise."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, LiteralString
from uuid import UUID

import psycopg
import typer
from psycopg.rows import dict_row

from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from evaluators.pricing.rows import PriceRow

# A call's id holds its time, which is checked when it lands: each query reads one month by its key.
CALL: LiteralString = """
select started_at, provider, requested_model, served_model, project, purpose, status, source, external_id,
    usage_raw, usage::text as usage
from raw.llm_calls
where started_at = ingest.uuid7_time(%(id)s) and call_id = %(id)s
"""

CHARGES: LiteralString = """
select *, null::timestamptz as superseded_at, null::text as reason
from cost.charges
where started_at = ingest.uuid7_time(%(id)s) and call_id = %(id)s
union all
select *
from cost.charge_history
where started_at = ingest.uuid7_time(%(id)s) and call_id = %(id)s
order by attempt, superseded_at desc nulls first
"""

Row = dict[str, Any]


def explain(call_id: Annotated[str, typer.Argument(help="The call's id, as in `x-lqo-call-id`.")]) -> None:
    """Say how a call's cost arises: usage, token buckets, price rows, versions, charge, earlier charges."""
    try:
        number = UUID(call_id)
    except ValueError:
        raise UserError(f"{call_id[:80]!r} is no id of a call, which is a UUID v7", code=2) from None
    with open_warehouse(settings_or_exit()) as connection:
        lines = list(explanation(connection, number))
    for line in lines:
        typer.echo(line)


def explanation(connection: psycopg.Connection, call_id: UUID) -> Iterator[str]:
    """The lines of `lqo explain`. Raises UserError for a call that has not landed."""
    from orchestration.price_book import all_rows

    if call_id.version != 7:
        raise UserError(f"{str(call_id)!r} is no id of a call, which is a UUID v7", code=2)
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        call = cursor.execute(CALL, {"id": call_id}).fetchone()
        charges = cursor.execute(CHARGES, {"id": call_id}).fetchall()
    if call is None:
        raise UserError(f"there is no call {call_id}; if it is new, it may not have landed yet")
    prices = {row.id: row for row in all_rows(connection)}
    yield from _call_lines(call_id, call)
    if not charges:
        yield "not charged yet: the next refresh charges it"
    for charge in charges:
        yield ""
        yield from _charge_lines(charge, prices)


def _call_lines(call_id: UUID, call: Row) -> Iterator[str]:
    yield f"call      {call_id}  ({call['source']}, {call['purpose']}, {call['status']})"
    if call["external_id"]:
        yield f"known as  {call['external_id']}"
    yield f"made at   {_when(call['started_at'])}, project {call['project'] or '(none)'}"
    yield f"model     {call['provider']} {call['served_model'] or call['requested_model']}" + (
        f", asked for as {call['requested_model']}"
        if call["served_model"] not in (None, call["requested_model"])
        else ""
    )
    yield f"usage     {_one_line(call['usage_raw'] or call['usage'] or 'none reported')}"


def _charge_lines(charge: Row, prices: "dict[int, PriceRow]") -> Iterator[str]:
    state = "stands" if charge["superseded_at"] is None else f"until {_when(charge['superseded_at'])}"
    reason = "" if charge["reason"] is None else f" ({charge['reason']})"
    yield f"attempt {charge['attempt']}, {charge['provider']} {charge['model']}"
    yield f"  charged {_when(charge['charged_at'])}, price version {charge['price_version']}; {state}{reason}"
    used = {row.bucket: row for number in charge["price_row_ids"] if (row := prices.get(number))}
    yield from _bucket_lines(charge, used, all_known=len(used) == len(charge["price_row_ids"]))
    if charge["amount_usd"] is None:
        yield f"  no amount: {charge['unpriced_reason']}"
    else:
        yield f"  amount {_usd(charge['amount_usd'])}"
    if charge["reported_usd"] is not None:
        yield f"  the provider itself says {_usd(charge['reported_usd'])}"


def _bucket_lines(charge: Row, used: "dict[str, PriceRow]", *, all_known: bool) -> Iterator[str]:
    from evaluators.pricing.timeline import CLAUDE_FALLBACKS, FALLBACKS
    from evaluators.usage import BUCKETS

    derived = {bucket: (source, factor) for bucket, source, factor in FALLBACKS + CLAUDE_FALLBACKS}
    total = Decimal(0)
    for bucket in BUCKETS:
        tokens = charge[bucket]
        if not tokens:
            continue
        source, factor = (bucket, Decimal(1)) if bucket in used else derived.get(bucket, (bucket, Decimal(1)))
        row = used.get(source)
        if row is None:
            yield f"  {bucket:<15}{tokens:>12,}  no price row"
            continue
        cost = tokens * row.usd_per_million * factor / 1_000_000
        total += cost
        times = "" if factor == 1 else f" x {factor}"
        yield f"  {bucket:<15}{tokens:>12,}  x {_usd(row.usd_per_million)}{times} per million = {_usd(cost)}"
        yield f"    {_row(row)}"
    amount = charge["amount_usd"]
    if amount is not None and all_known and abs(total - amount) > Decimal("1e-12"):
        yield f"  these add up to {_usd(total)}, which is not the amount"


def _row(row: "PriceRow") -> str:
    until = "" if row.valid_to is None else f" to {_when(row.valid_to)}"
    conditions = f", {row.service_tier}" + (
        f", over {row.min_input_tokens:,} input tokens" if row.min_input_tokens else ""
    )
    known = "" if row.superseded_at is None else f", superseded {_when(row.superseded_at)}"
    name = f"{row.model}*" if row.match == "prefix" else row.model
    return (
        f"row {row.id}: {row.provider or '(any)'} {name}, {row.bucket}{conditions}, for calls from"
        f" {_when(row.valid_from)}{until}; version {row.price_version}, recorded"
        f" {_when(row.recorded_at)}{known}; {row.source}"
    )


def _usd(amount: Decimal) -> str:
    return f"${amount.normalize():f}"


def _when(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _one_line(text: str) -> str:
    return " ".join(text.split())
