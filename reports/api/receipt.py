"""`/calls/{id}`: the receipt of one call. The one answer that reads past the marts, by id alone."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter, QueryParameter
from psycopg.sql import SQL

from evaluators.usage import BUCKETS
from ingest.landing.content import decompress
from ingest.proxy.ports import Caller
from reports.api import receipt_queries as queries
from reports.api.amounts import Amount
from reports.api.calls import COLUMNS, CallRow
from reports.api.problems import PROBLEMS
from reports.api.receipt_shapes import (
    LandedCall,
    Opinion,
    PriceRow,
    Receipt,
    ReceiptCharge,
    ReceiptScore,
    Text,
)
from reports.api.warehouse import Warehouse


@get(
    "/calls/{call_id:str}",
    summary="The receipt of a call: its text, scores, charges with price rows, attempts.",
    responses=PROBLEMS,
)
async def receipt(
    *,
    request: Request[Caller, Any, State],
    call_id: Annotated[
        str, PathParameter(description="The call's id, a UUID v7; the proxy gives it in `x-lqo-call-id`.")
    ],
    bodies: Annotated[bool, QueryParameter(description="With the whole request and response.")] = False,
) -> Receipt:
    marts: Warehouse = request.app.state.marts
    calls: Warehouse = request.app.state.receipts
    key = {"call_id": _id_of(call_id)}
    call = await calls.row(LandedCall, queries.CALL, key)
    own = request.user.project
    if call is None or (own is not None and call.project != own):
        raise NotFoundException(f"there is no call {call_id}; if it is new, it may not have landed yet")
    counted = SQL("select {} from marts.calls where started_at = %(started_at)s and call_id = %(call_id)s")
    return Receipt(
        call=call,
        in_marts=await marts.row(CallRow, counted.format(COLUMNS), {**key, "started_at": call.started_at}),
        quarantined=[row.reason for row in await calls.rows(_Reason, queries.QUARANTINE, key)],
        text=_text(await calls.row(_Body, queries.TEXT, key), with_bodies=bodies),
        scores=await calls.rows(ReceiptScore, queries.SCORES, key),
        charges=await _charges(calls, key),
        feedback=await calls.rows(Opinion, queries.FEEDBACK, key),
        prompt_template=next(
            (row.template for row in await calls.rows(_Template, queries.TEMPLATE, key)), None
        ),
    )


class _Reason(msgspec.Struct, frozen=True):
    reason: str


class _Template(msgspec.Struct, frozen=True):
    template: str


class _Body(msgspec.Struct, frozen=True):
    input_text: str | None
    output_text: str | None
    request: bytes | None
    response: bytes | None


class _Charge(msgspec.Struct, frozen=True):
    """A row of `cost.charges` or its history."""

    attempt: int
    provider: str
    model: str
    price_version: int | None
    price_row_ids: list[int]
    input_uncached: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_1h: int | None
    input_audio: int | None
    input_image: int | None
    output_text: int | None
    reasoning: int | None
    output_audio: int | None
    output_image: int | None
    amount_usd: Amount | None
    unpriced_reason: str | None
    reported_usd: Amount | None
    is_provisional: bool
    charged_at: datetime
    superseded_at: datetime | None
    reason: str | None


def _id_of(text: str) -> UUID:
    """The id of a call. Raises NotFoundException for what can be none: only a v7 tells its time."""
    try:
        call_id = UUID(text)
    except ValueError:
        call_id = None
    if call_id is None or call_id.version != 7:
        raise NotFoundException(f"{text[:80]!r} is no id of a call, which is a UUID v7")
    return call_id


def _text(body: _Body | None, *, with_bodies: bool) -> Text:
    if body is None:
        return Text(input_text=None, output_text=None)
    if not with_bodies:
        return Text(input_text=body.input_text, output_text=body.output_text)
    return Text(
        input_text=body.input_text,
        output_text=body.output_text,
        request=_plain(body.request),
        response=_plain(body.response),
    )


def _plain(stored: bytes | None) -> str | None:
    """A stored body as text; bytes that are no UTF-8 (an audio file) are replaced."""
    return None if stored is None else decompress(stored).decode("utf-8", "replace")


async def _charges(calls: Warehouse, key: dict[str, Any]) -> list[ReceiptCharge]:
    found = await calls.rows(_Charge, queries.CHARGES, key)
    ids = sorted({number for charge in found for number in charge.price_row_ids})
    prices = {row.id: row for row in await calls.rows(PriceRow, queries.PRICES, {"ids": ids})}
    return [
        _charge(each, (prices[number] for number in each.price_row_ids if number in prices)) for each in found
    ]


def _charge(found: _Charge, rows: Iterable[PriceRow]) -> ReceiptCharge:
    tokens = {name: getattr(found, name) for name in BUCKETS}
    return ReceiptCharge(
        attempt=found.attempt,
        provider=found.provider,
        model=found.model,
        buckets={name: count for name, count in tokens.items() if count is not None},
        amount_usd=found.amount_usd,
        unpriced_reason=found.unpriced_reason,
        reported_usd=found.reported_usd,
        is_provisional=found.is_provisional,
        price_version=found.price_version,
        price_rows=list(rows),
        charged_at=found.charged_at,
        superseded_at=found.superseded_at,
        reason=found.reason,
    )
