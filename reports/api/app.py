"""The analytics API: reads marts only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import psycopg
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.params import QueryParameter
from psycopg.rows import class_row

from evaluators.statistics.wilson import wilson_interval

MOST_POINTS = 5_000


class TrendPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One hour or day of one model and one evaluator version.

    Rates are shares of `n_scored` with a 95 % Wilson interval; `coverage` is `n_scored` of `n_eligible`.
    """

    period: datetime
    model: str
    evaluator: str
    evaluator_version: str
    n_eligible: int
    n_scored: int
    n_failed: int
    pass_rate: Decimal | None
    pass_rate_low: Decimal | None
    pass_rate_high: Decimal | None
    coverage: Decimal | None


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `/analytics/trends`."""

    grain: str
    start: date
    end: date
    points: list[TrendPoint]
    truncated: bool


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error as RFC 9457 `application/problem+json`."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"


def build_app(*, conninfo: str) -> Litestar:
    """The API over the warehouse at `conninfo` (read-only transactions, UTC, 10 s a statement)."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.conninfo = conninfo
        yield

    return Litestar(
        route_handlers=[healthz, trends],
        lifespan=[lifespan],
        exception_handlers={
            HTTPException: _problem,
            psycopg.OperationalError: _database_away,
            psycopg.errors.UndefinedTable: _no_marts,
        },
        openapi_config=OpenAPIConfig(title="LLM Quality Observer analytics", version="1", path="/schema"),
        debug=False,
    )


@get("/healthz", summary="Is the process alive? Says nothing of the database.")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


Start = Annotated[date | None, QueryParameter(description="First UTC day; default six days before `end`.")]
End = Annotated[date | None, QueryParameter(description="Last UTC day, inclusive; default today.")]
Model = Annotated[str | None, QueryParameter(description="Only this model, as it was asked for.")]
Evaluator = Annotated[str | None, QueryParameter(description="Only this evaluator.")]
Grain = Annotated[str, QueryParameter(description="`hour` or `day`.", pattern="^(hour|day)$")]


@get(
    ["/analytics/trends", "/v1/analytics/trends"],
    summary="Pass rates over time, by model and evaluator.",
)
async def trends(
    *,
    state: State,
    start: Start = None,
    end: End = None,
    grain: Grain = "day",
    model: Model = None,
    evaluator: Evaluator = None,
) -> Trends:
    last = end or datetime.now(UTC).date()
    first = start or last - timedelta(days=6)
    if first > last:
        raise HTTPException(status_code=400, detail=f"start {first} is after end {last}")
    values = {
        "start": datetime(first.year, first.month, first.day, tzinfo=UTC),
        "end": datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1),
        "grain": grain,
        "model": model,
        "evaluator": evaluator,
        "most": MOST_POINTS + 1,
    }
    points = await _rows(state.conninfo, values)
    return Trends(
        grain=grain,
        start=first,
        end=last,
        points=points[:MOST_POINTS],
        truncated=len(points) > MOST_POINTS,
    )


_TRENDS = """
with periods as (
    select
        date_trunc(%(grain)s, hour, 'UTC') as period,
        model,
        evaluator,
        evaluator_version,
        sum(n_eligible)::bigint as n_eligible,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed
    from marts.quality_hourly
    where hour >= %(start)s and hour < %(end)s
        and (%(model)s::text is null or model = %(model)s)
        and (%(evaluator)s::text is null or evaluator = %(evaluator)s)
    group by 1, 2, 3, 4
)

select
    *,
    round((n_scored - n_failed)::numeric / nullif(n_scored, 0), 6) as pass_rate,
    null::numeric as pass_rate_low,
    null::numeric as pass_rate_high,
    round(n_scored::numeric / nullif(n_eligible, 0), 6) as coverage
from periods
order by period, model, evaluator, evaluator_version
limit %(most)s
"""


async def _rows(conninfo: str, values: dict[str, Any]) -> list[TrendPoint]:
    options = "-c default_transaction_read_only=on -c statement_timeout=10000 -c timezone=UTC"
    connection = await psycopg.AsyncConnection.connect(conninfo, options=options, connect_timeout=5)
    async with connection, connection.cursor(row_factory=class_row(TrendPoint)) as cursor:
        await cursor.execute(_TRENDS, values)
        rows = await cursor.fetchall()
    return [_with_interval(row) for row in rows]


def _with_interval(point: TrendPoint) -> TrendPoint:
    if not point.n_scored:
        return point
    low, high = wilson_interval(point.n_scored - point.n_failed, point.n_scored)
    return msgspec.structs.replace(
        point,
        pass_rate_low=Decimal(repr(round(low, 6))),
        pass_rate_high=Decimal(repr(round(high, 6))),
    )


def _problem(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    detail = error.detail
    if isinstance(error.extra, list) and error.extra:
        detail = "; ".join(f"{item.get('key')}: {item.get('message')}" for item in error.extra)
    body = Problem(title=error.__class__.__name__, status=error.status_code, detail=detail)
    return Response(body, status_code=error.status_code, media_type="application/problem+json")


def _database_away(_: Request[Any, Any, Any], error: psycopg.OperationalError) -> Response[Problem]:
    detail = " ".join(str(error).split())
    body = Problem(title="The warehouse does not answer", status=503, detail=detail)
    return Response(body, status_code=503, media_type="application/problem+json")


def _no_marts(_: Request[Any, Any, Any], _error: psycopg.errors.UndefinedTable) -> Response[Problem]:
    detail = "no day has been modelled: wait for a refresh or run `lqo backfill marts --from DAY --to DAY`"
    body = Problem(title="The marts are not built yet", status=503, detail=detail)
    return Response(body, status_code=503, media_type="application/problem+json")
