"""Pages: by offset, or by a cursor that names the last row seen, which is right while rows come in.

Litestar's own pagination types carry neither the time a page is about nor both ways to go on.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, Literal, LiteralString, TypedDict, TypeVar
from uuid import UUID

import msgspec
from litestar.di import Provide
from litestar.exceptions import ClientException
from litestar.params import QueryParameter
from psycopg.sql import SQL, Composed, Identifier, Placeholder

from reports.api.freshness import Freshness, freshness
from reports.api.warehouse import Warehouse

Row = TypeVar("Row", bound=msgspec.Struct)
Kind = Literal["timestamptz", "date", "text", "numeric", "bigint", "double precision", "uuid"]

DEFAULT_ROWS, MOST_ROWS = 100, 1_000
MOST_OFFSET = 100_000
"""An offset is read over row by row; past this a cursor is the way."""

_TYPES: dict[Kind, Any] = {
    "timestamptz": Annotated[datetime, msgspec.Meta(tz=True)],
    "date": date,
    "text": str,
    "numeric": Decimal,
    "bigint": int,
    "double precision": float,
    "uuid": UUID,
}


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an answer; `next_cursor` null says that it is the last."""

    limit: int
    offset: int
    next_cursor: str | None
    freshness: Freshness


class Framing(TypedDict):
    """The fields of a `Page`."""

    limit: int
    offset: int
    next_cursor: str | None
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page: after `offset` rows, or after the row that `cursor` names."""

    limit: int
    offset: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Key:
    """A column that rows are ordered by; `when_null` stands in for null, which has no order of its own."""

    column: LiteralString
    kind: Kind
    when_null: Any = None


@dataclass(frozen=True, slots=True)
class Order:
    """Keys that together name one row, all of them upwards or all downwards.

    `mark` is what a cursor must share with it: the same order of the same question.
    """

    keys: tuple[Key, ...]
    is_descending: bool
    mark: str


def read_paging(
    limit: Annotated[int, QueryParameter(description="Rows of a page.", ge=1, le=MOST_ROWS)] = DEFAULT_ROWS,
    offset: Annotated[
        int,
        QueryParameter(
            description="Rows to pass over; past the end the page is empty.", ge=0, le=MOST_OFFSET
        ),
    ] = 0,
    cursor: Annotated[
        str | None,
        QueryParameter(
            description="`next_cursor` of the page before, of the same question.", max_length=16_000
        ),
    ] = None,
) -> Paging:
    """Raises ClientException for a cursor with an offset."""
    if cursor is not None and offset:
        raise ClientException("offset: a cursor says where to go on; give one of the two")
    return Paging(limit, offset, cursor)


PAGED = {"paging": Provide(read_paging, sync_to_thread=False)}
"""The dependencies of a path that answers in pages."""


async def framing(marts: Warehouse, *, paging: Paging, cursor: str | None) -> Framing:
    """What a page says beside its rows; `cursor` is the one to the next."""
    return {
        "limit": paging.limit,
        "offset": paging.offset,
        "next_cursor": cursor,
        "freshness": await freshness(marts),
    }


def order_of(sort: str, orders: Mapping[str, tuple[Key, ...]], *, question: Any) -> Order:
    """`-name` as the downward order of `name`, whose last keys make it unambiguous.

    `question` is what a cursor belongs to beside the order: filters, grain; anything that JSON can hold.
    """
    mark = sha256(msgspec.json.encode([sort, question])).hexdigest()[:12]
    return Order(orders[sort.removeprefix("-")], is_descending=sort.startswith("-"), mark=mark)


async def read_page(
    warehouse: Warehouse,
    kind: type[Row],
    select: Composed,
    values: Mapping[str, Any],
    *,
    order: Order,
    paging: Paging,
    finish: LiteralString = "*",
) -> tuple[list[Row], str | None]:
    """The rows of a page and the cursor to the next, None where there is none. Raises ClientException.

    `finish` are the columns as they are made of those of `select`, for the rows of the page alone.
    """
    seen = None if paging.cursor is None else read_cursor(paging.cursor, order=order)
    query, positions = page_query(select, order=order, seen=seen, finish=finish)
    bounds = {"page_limit": paging.limit + 1, "page_offset": paging.offset}
    rows = await warehouse.rows(kind, query, {**values, **positions, **bounds})
    page = rows[: paging.limit]
    if len(rows) == len(page):
        return page, None
    return page, write_cursor([_value(page[-1], key) for key in order.keys], order=order)


def page_query(
    select: Composed, *, order: Order, seen: tuple[Any, ...] | None, finish: LiteralString
) -> tuple[Composed, dict[str, Any]]:
    """`select` in the order, after the row whose keys were `seen`; the values of its placeholders."""
    direction = SQL(" desc") if order.is_descending else SQL("")
    after, values = SQL(""), dict[str, Any]()
    if seen is not None:
        values = {f"seen_{number}": value for number, value in enumerate(seen)}
        after = SQL("where ({keys}) {beyond} ({seen})").format(
            keys=SQL(", ").join(_expression(key) for key in order.keys),
            beyond=SQL("<" if order.is_descending else ">"),
            seen=SQL(", ").join(
                Placeholder(f"seen_{number}") + SQL(f"::{key.kind}") for number, key in enumerate(order.keys)
            ),
        )
    query = SQL(
        "with everything as ({select}), page as ("
        "select * from everything {after} order by {order} limit %(page_limit)s offset %(page_offset)s"
        ") select {finish} from page order by {order}"
    ).format(
        select=select,
        finish=SQL(finish),
        after=after,
        order=SQL(", ").join(_expression(key) + direction for key in order.keys),
    )
    return query, values


def write_cursor(keys: Sequence[Any], *, order: Order) -> str:
    """What names the row of these keys; no secret, and no promise of its form."""
    return urlsafe_b64encode(msgspec.json.encode([order.mark, *keys])).rstrip(b"=").decode()


def read_cursor(text: str, *, order: Order) -> tuple[Any, ...]:
    """The keys of the row that a cursor names. Raises ClientException."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        found, *keys = msgspec.json.decode(data, type=tuple[(str, *(_TYPES[key.kind] for key in order.keys))])
    except (ValueError, msgspec.MsgspecError):
        raise ClientException("cursor: this is none of ours, or one of another order") from None
    if found != order.mark:
        raise ClientException("cursor: it belongs to another question; filters and order must stay the same")
    return tuple(keys)


def _value(row: msgspec.Struct, key: Key) -> Any:
    value = getattr(row, key.column)
    return key.when_null if value is None else value


def _expression(key: Key) -> Composed:
    column = Identifier(key.column)
    if key.when_null is None:
        return Composed([column])
    return SQL("coalesce({}, {})").format(column, key.when_null)
