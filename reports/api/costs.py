"""`/analytics/costs`: what calls cost, by day, week or month and whatever one asks for."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from psycopg.sql import SQL, Composed

from evaluators.usage import BUCKETS
from ingest.proxy.ports import Caller
from reports.api.amounts import Amount
from reports.api.doors import own_project
from reports.api.filters import LONGEST, Model, Project, Question
from reports.api.paging import Key, Page, Paging, framing, order_of, read_page
from reports.api.problems import PROBLEMS
from reports.api.spans import BY_DAYS, DayGrain, Span
from reports.api.warehouse import Warehouse

Dimension = Literal["provider", "model", "project", "key_id"]
_DIMENSIONS: tuple[Dimension, ...] = ("provider", "model", "project", "key_id")


class CostRow(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of a period and what they cost. Dimensions that were not asked for are null.

    `amount_usd` adds the `n_priced` calls up and says nothing of the others; null where none is priced.
    Amounts are exact decimals, as strings. Token buckets are exclusive of one another.
    """

    period: date
    provider: str | None
    model: str | None
    project: str | None
    key_id: str | None
    n_calls: int
    n_priced: int
    n_unpriced: int
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
    failed_attempts_usd: Amount | None
    reported_usd: Amount | None
    price_version: int | None


class Costs(Page, frozen=True, kw_only=True):
    """The answer of `/analytics/costs`; a period is named by its first day, and may reach out of the span:
    only days inside are in its row."""

    start: date
    end: date
    grain: DayGrain
    items: list[CostRow]


_PLACE = (Key("period", "date"), *(Key(name, "text", when_null="") for name in _DIMENSIONS))
_ORDERS = {
    "period": _PLACE,
    "amount_usd": (Key("amount_usd", "numeric", when_null=Decimal(-1)), *_PLACE),
    "n_calls": (Key("n_calls", "bigint"), *_PLACE),
}


@get(
    "/analytics/costs",
    summary="Cost and tokens by day, week or month; by provider, model, project or key.",
    dependencies=BY_DAYS,
    responses=PROBLEMS,
)
async def costs(
    *,
    request: Request[Caller, Any, State],
    span: NamedDependency[Span],
    paging: NamedDependency[Paging],
    grain: Annotated[DayGrain, QueryParameter(description="Weeks begin on Monday.")] = "day",
    by: Annotated[
        list[Dimension] | None, QueryParameter(description="What rows are told apart by; default `model`.")
    ] = None,
    model: Model = None,
    project: Project = None,
    provider: Annotated[
        str | None, QueryParameter(description="Only this provider.", max_length=LONGEST)
    ] = None,
    key_id: Annotated[str | None, QueryParameter(description="Only this key.", max_length=LONGEST)] = None,
    sort: Annotated[
        Literal["period", "-period", "amount_usd", "-amount_usd", "n_calls", "-n_calls"],
        QueryParameter(description="`-` for downwards."),
    ] = "period",
) -> Costs:
    marts: Warehouse = request.app.state.marts
    asked = (
        Question()
        .where("model = %(model)s", model=model)
        .where("project = %(project)s", project=own_project(request.user, project))
        .where("provider = %(provider)s", provider=provider)
        .where("key_id = %(key_id)s", key_id=key_id)
    )
    told_apart: list[Dimension] = by or ["model"]
    dimensions: list[Dimension] = [name for name in _DIMENSIONS if name in told_apart]
    items, cursor = await read_page(
        marts,
        CostRow,
        _select(dimensions, asked=asked),
        {**asked.values, "grain": grain, "start": span.first_day, "end": span.last_day},
        order=order_of(sort, _ORDERS, question=[grain, dimensions, asked.values]),
        paging=paging,
    )
    return Costs(
        **await framing(marts, paging=paging, cursor=cursor),
        start=span.first_day,
        end=span.last_day,
        grain=grain,
        items=items,
    )


def _select(dimensions: list[Dimension], *, asked: Question) -> Composed:
    """Days added up to periods; a bucket that no call reported stays null."""
    columns = [SQL(f"{name}" if name in dimensions else f"null::text as {name}") for name in _DIMENSIONS]
    return SQL(
        """
        select
            date_trunc(%(grain)s, day::timestamp)::date as period,
            {columns},
            sum(n_calls)::bigint as n_calls,
            sum(n_priced)::bigint as n_priced,
            sum(n_unpriced)::bigint as n_unpriced,
            {tokens},
            sum(amount_usd) as amount_usd,
            sum(failed_attempts_usd) as failed_attempts_usd,
            sum(reported_usd) as reported_usd,
            max(price_version) as price_version
        from marts.cost_daily
        where day between %(start)s and %(end)s and {asked}
        group by 1, 2, 3, 4, 5
        """
    ).format(
        columns=SQL(", ").join(columns),
        tokens=SQL(", ").join(SQL(f"sum({name})::bigint as {name}") for name in BUCKETS),
        asked=asked.all(),
    )
