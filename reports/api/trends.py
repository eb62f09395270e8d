"""`/analytics/trends`: quality over time, by evaluator and its version."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, LiteralString

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import ClientException
from litestar.params import QueryParameter
from psycopg.sql import SQL, Composed

from ingest.proxy.ports import Caller
from reports.api.doors import own_project
from reports.api.filters import Evaluator, EvaluatorVersion, Model, Project, Question
from reports.api.paging import Key, Page, Paging, framing, order_of, read_page
from reports.api.problems import PROBLEMS
from reports.api.spans import BY_DAYS, Grain, Span
from reports.api.warehouse import Warehouse

MOST_HOURLY = timedelta(days=31)

Dimension = Literal["model", "project"]
_DIMENSIONS: tuple[Dimension, ...] = ("model", "project")


class TrendPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One period of one evaluator version. Dimensions that were not asked for are null.

    Always `n_eligible = n_scored + n_unscored + n_sampled_out + n_pending`, and `coverage` is `n_scored` of
    `n_eligible`: the figures speak for that share. Rules have a pass rate, judges a mean grade (1 to 5); both
    with their 95 % interval, null where nothing was scored.
    """

    period: datetime
    model: str | None
    project: str | None
    evaluator: str
    evaluator_version: str
    kind: str
    n_eligible: int
    n_scored: int
    n_failed: int | None
    n_unscored: int
    n_sampled_out: int
    n_pending: int
    coverage: float | None
    pass_rate: float | None
    pass_rate_low: float | None
    pass_rate_high: float | None
    mean_score: float | None
    mean_score_low: float | None
    mean_score_high: float | None


class Trends(Page, frozen=True, kw_only=True):
    """The answer of `/analytics/trends`. A period is named by its beginning and may reach out of the span:
    only hours and days inside are in its point."""

    start: date
    end: date
    grain: Grain
    items: list[TrendPoint]


_KEYS = (
    Key("period", "timestamptz"),
    Key("model", "text", when_null=""),
    Key("project", "text", when_null=""),
    Key("evaluator", "text"),
    Key("evaluator_version", "text"),
)


@get(
    "/analytics/trends",
    summary="Pass rates and mean grades over time, by evaluator version, model and project.",
    dependencies=BY_DAYS,
    responses=PROBLEMS,
)
async def trends(
    *,
    request: Request[Caller, Any, State],
    span: NamedDependency[Span],
    paging: NamedDependency[Paging],
    grain: Annotated[Grain, QueryParameter(description="UTC; weeks begin on Monday.")] = "day",
    by: Annotated[
        list[Dimension] | None, QueryParameter(description="What points are told apart by; default `model`.")
    ] = None,
    model: Model = None,
    project: Project = None,
    evaluator: Evaluator = None,
    evaluator_version: EvaluatorVersion = None,
    kind: Annotated[
        Literal["rule", "judge", "human", "external"] | None,
        QueryParameter(description="Only such evaluators."),
    ] = None,
    sort: Annotated[
        Literal["period", "-period"], QueryParameter(description="`-` for newest first.")
    ] = "period",
) -> Trends:
    if grain == "hour" and span.end - span.start > MOST_HOURLY:
        raise ClientException(f"grain: hours are given for {MOST_HOURLY.days} days at most; ask for days")
    marts: Warehouse = request.app.state.marts
    asked = (
        Question()
        .where("model = %(model)s", model=model)
        .where("project = %(project)s", project=own_project(request.user, project))
        .where("evaluator = %(evaluator)s", evaluator=evaluator)
        .where("evaluator_version = %(evaluator_version)s", evaluator_version=evaluator_version)
        .where("kind = %(kind)s", kind=kind)
    )
    told_apart: list[Dimension] = by or ["model"]
    dimensions: list[Dimension] = [name for name in _DIMENSIONS if name in told_apart]
    moments = {"start": span.start, "end": span.end, "first": span.first_day, "last": span.last_day}
    items, cursor = await read_page(
        marts,
        TrendPoint,
        _select(grain, dimensions, asked=asked),
        {**asked.values, **moments, "grain": grain},
        order=order_of(sort, {"period": _KEYS}, question=[grain, dimensions, asked.values]),
        paging=paging,
        finish=_OF_HOURS if grain == "hour" else _OF_DAYS,
    )
    return Trends(
        **await framing(marts, paging=paging, cursor=cursor),
        start=span.first_day,
        end=span.last_day,
        grain=grain,
        items=items,
    )


# An hour's mean grade has no sums to add up by: over several projects it is not known, and so not said.
_FROM_HOURS: LiteralString = """
    case when count(*) = 1 then max(mean_score) end as mean_score,
    case when count(*) = 1 then max(mean_score_low) end as mean_score_low,
    case when count(*) = 1 then max(mean_score_high) end as mean_score_high
from marts.quality_hourly
where hour >= %(start)s and hour < %(end)s
"""
_FROM_DAYS: LiteralString = """
    sum(n_clusters) as n_clusters,
    sum(sum_w) as sum_w,
    sum(sum_wy) as sum_wy,
    sum(sum_ww) as sum_ww,
    sum(sum_wwy) as sum_wwy,
    sum(sum_wywy) as sum_wywy
from marts.quality_daily
where day between %(first)s and %(last)s
"""
# Of the rows of a page alone: an interval costs more than the sums it is made of.
_POINT: LiteralString = """
    period, model, project, evaluator, evaluator_version, kind, n_eligible, n_scored, n_failed, n_unscored,
    n_sampled_out, n_pending,
    n_scored::double precision / nullif(n_eligible, 0) as coverage,
    (n_scored - n_failed)::double precision / nullif(n_scored, 0) as pass_rate,
    marts.wilson_low(n_scored - n_failed, n_scored) as pass_rate_low,
    marts.wilson_high(n_scored - n_failed, n_scored) as pass_rate_high
"""
_OF_HOURS: LiteralString = _POINT + ", mean_score, mean_score_low, mean_score_high"
_OF_DAYS: LiteralString = (
    _POINT
    + """,
    sum_wy / nullif(sum_w, 0) as mean_score,
    marts.mean_low(n_clusters, sum_w, sum_wy, sum_ww, sum_wwy, sum_wywy) as mean_score_low,
    marts.mean_high(n_clusters, sum_w, sum_wy, sum_ww, sum_wwy, sum_wywy) as mean_score_high
"""
)


def _select(grain: Grain, dimensions: list[Dimension], *, asked: Question) -> Composed:
    """Hours as they are, or days added up."""
    columns = [SQL(f"{name}" if name in dimensions else f"null::text as {name}") for name in _DIMENSIONS]
    period = SQL("hour" if grain == "hour" else "date_trunc(%(grain)s, day::timestamp) at time zone 'UTC'")
    return SQL(
        """
        select
            {period} as period,
            {columns},
            evaluator,
            evaluator_version,
            kind,
            sum(n_eligible)::bigint as n_eligible,
            sum(n_scored)::bigint as n_scored,
            sum(n_failed)::bigint as n_failed,
            sum(n_unscored)::bigint as n_unscored,
            sum(n_sampled_out)::bigint as n_sampled_out,
            sum(n_pending)::bigint as n_pending,
            {measures}
            and {asked}
        group by 1, 2, 3, 4, 5, 6
        """
    ).format(
        period=period,
        columns=SQL(", ").join(columns),
        measures=SQL(_FROM_HOURS if grain == "hour" else _FROM_DAYS),
        asked=asked.all(),
    )
