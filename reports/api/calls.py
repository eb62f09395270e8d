"""`/calls`: the calls of a span, newest first, without their text."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, LiteralString
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import ClientException
from litestar.params import QueryParameter
from psycopg.sql import SQL

from ingest.proxy.ports import Caller
from reports.api.amounts import Amount
from reports.api.doors import own_project
from reports.api.filters import LONGEST, Model, Project, Question
from reports.api.paging import (
    Key,
    Order,
    Page,
    Paging,
    framing,
    order_of,
    read_cursor,
    read_page,
    write_cursor,
)
from reports.api.problems import PROBLEMS
from reports.api.spans import BY_MOMENTS, Span
from reports.api.warehouse import Warehouse

MOST_SCANNED = 200_000
"""Calls that one page looks through, and at most an hour more. The mart is ordered by time alone: a rare user
in 90 days would be millions of calls to read. The cursor goes on from there."""


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """A call, as `marts.calls` has it. `is_failed` null: no rule has judged it. `amount_usd` null: see
    `unpriced_reason`."""

    call_id: UUID
    started_at: datetime
    provider: str
    model: str
    served_model: str | None
    project: str
    environment: str | None
    key_id: str
    user_id: str | None
    session_id: str | None
    prompt_name: str | None
    prompt_version: str | None
    purpose: str
    status: str
    http_status: int | None
    error_type: str | None
    finish_reason: str | None
    latency_ms: float | None
    ttft_ms: float | None
    rule_set_version: int | None
    failed_rules: list[str] | None
    is_failed: bool | None
    amount_usd: Amount | None
    unpriced_reason: str | None
    price_version: int | None


class CallPage(Page, frozen=True, kw_only=True):
    """The answer of `/calls`. With filters a page looks through so many calls at most (`MOST_SCANNED`): it
    may hold fewer rows than `limit`, or none, and still have a `next_cursor`."""

    start: datetime
    end: datetime
    items: list[CallRow]


_TIME = (Key("started_at", "timestamptz"), Key("call_id", "uuid"))
COLUMNS = SQL(", ").join([SQL(name) for name in CallRow.__struct_fields__])  # pyright: ignore[reportArgumentType]


def _text(description: str) -> Any:
    return QueryParameter(description=description, max_length=LONGEST)


@get(
    "/calls",
    summary="Calls of a span, newest first, with their current verdict and price.",
    dependencies=BY_MOMENTS,
    responses=PROBLEMS,
)
async def calls(
    *,
    request: Request[Caller, Any, State],
    span: NamedDependency[Span],
    paging: NamedDependency[Paging],
    model: Model = None,
    project: Project = None,
    provider: Annotated[str | None, _text("Only calls that this provider served.")] = None,
    user: Annotated[str | None, _text("Only calls of this end user.")] = None,
    session: Annotated[str | None, _text("Only calls of this conversation.")] = None,
    prompt: Annotated[str | None, _text("Only calls with this prompt's name.")] = None,
    prompt_version: Annotated[str | None, _text("Only this version of the prompt.")] = None,
    key_id: Annotated[str | None, _text("Only calls with this key.")] = None,
    status: Annotated[
        Literal["ok", "error", "interrupted", "client_gone"] | None,
        QueryParameter(description="How it ended."),
    ] = None,
    failed: Annotated[
        bool | None, QueryParameter(description="Only calls that failed a rule, or only those that did not.")
    ] = None,
    failed_rule: Annotated[str | None, _text("Only calls that failed this rule.")] = None,
    sort: Annotated[
        Literal["-started_at", "started_at"], QueryParameter(description="Newest or oldest first.")
    ] = "-started_at",
) -> CallPage:
    marts: Warehouse = request.app.state.marts
    asked = (
        Question()
        .where("model = %(model)s", model=model)
        .where("project = %(project)s", project=own_project(request.user, project))
        .where("provider = %(provider)s", provider=provider)
        .where("user_id = %(user)s", user=user)
        .where("session_id = %(session)s", session=session)
        .where("prompt_name = %(prompt)s", prompt=prompt)
        .where("prompt_version = %(prompt_version)s", prompt_version=prompt_version)
        .where("key_id = %(key_id)s", key_id=key_id)
        .where("status = %(status)s", status=status)
        .where("is_failed = %(failed)s", failed=failed)
        .where("failed_rules @> array[%(failed_rule)s]::text[]", failed_rule=failed_rule)
    )
    order = order_of(sort, {"started_at": _TIME}, question=asked.values)
    items, cursor = await _page(marts, asked, span=span, order=order, paging=paging)
    return CallPage(
        **await framing(marts, paging=paging, cursor=cursor),
        start=span.start,
        end=span.end,
        items=items,
    )


async def _page(
    marts: Warehouse, asked: Question, *, span: Span, order: Order, paging: Paging
) -> tuple[list[CallRow], str | None]:
    """A page, and the cursor to the next. Raises ClientException."""
    part = await _part(marts, span, order=order, cursor=paging.cursor) if asked.conditions else span
    if paging.offset and part != span:
        raise ClientException(
            f"offset: with filters a page looks through {MOST_SCANNED:,} calls, and this span has more;"
            " go on by `cursor`, or ask for less"
        )
    select = SQL(
        "select {columns} from marts.calls where started_at >= %(start)s and started_at < %(end)s and {asked}"
    ).format(columns=COLUMNS, asked=asked.all())
    values = {**asked.values, "start": part.start, "end": part.end}
    rows, cursor = await read_page(marts, CallRow, select, values, order=order, paging=paging)
    if cursor is None and part != span:
        cursor = _edge(part, span=span, order=order)
    return rows, cursor


class _Reach(msgspec.Struct, frozen=True):
    hour: datetime | None


# The hour with which the calls on the way there, in either direction, are too many.
_REACH: LiteralString = """
with hours as (
    select hour, sum(n_calls) as n_calls
    from marts.calls_hourly
    where hour > %(since)s::timestamptz - interval '1 hour' and hour < %(until)s
    group by hour
),
totals as (
    select hour, sum(n_calls) over (order by hour {direction}) as n_calls from hours
)
select {nearest}(hour) as hour from totals where n_calls > %(most)s
"""


async def _part(marts: Warehouse, span: Span, *, order: Order, cursor: str | None) -> Span:
    """What one page looks through, from where the cursor is."""
    is_down = order.is_descending
    at = span.end if is_down else span.start
    if cursor is not None:
        at = min(max(read_cursor(cursor, order=order)[0], span.start), span.end)
    query = SQL(_REACH).format(
        direction=SQL("desc" if is_down else "asc"), nearest=SQL("max" if is_down else "min")
    )
    way = {"since": span.start if is_down else at, "until": at if is_down else span.end}
    reach = await marts.row(_Reach, query, {**way, "most": MOST_SCANNED})
    if reach is None or reach.hour is None:
        return span
    if is_down:
        return Span(max(span.start, reach.hour), span.end)
    return Span(span.start, min(span.end, reach.hour + timedelta(hours=1)))


def _edge(part: Span, *, span: Span, order: Order) -> str | None:
    """The cursor to what lies behind `part`; None where that was all."""
    edge, last = (part.start, span.start) if order.is_descending else (part.end, span.end)
    return None if edge == last else write_cursor((edge, UUID(int=0)), order=order)
