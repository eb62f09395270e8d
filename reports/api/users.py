"""`/analytics/users`: quality and cost by end user."""

from datetime import date
from typing import Annotated, Any

from litestar import Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from ingest.proxy.ports import Caller
from reports.api.breakdown import DIMENSIONS, BreakdownSort, Dimension, Figures, orders, select
from reports.api.doors import own_project
from reports.api.filters import LONGEST, EvaluatorVersion, Model, Project, Question
from reports.api.freshness import freshness
from reports.api.paging import Page, Paging, order_of, read_page, read_paging
from reports.api.problems import PROBLEMS
from reports.api.spans import Span, SpanGrain, read_days
from reports.api.warehouse import Warehouse


class UserFigures(Figures, frozen=True, kw_only=True):
    """A user's calls of a period; `(none)` for calls of no user. Dimensions not asked for are null."""

    period: date
    user_id: str
    project: str | None
    model: str | None


class Users(Page, frozen=True, kw_only=True):
    """The answer of `/analytics/users`."""

    start: date
    end: date
    grain: SpanGrain
    items: list[UserFigures]


_COLUMNS = ("user_id",)
_ORDERS = orders(_COLUMNS)


@get(
    "/analytics/users",
    summary="Quality and cost by end user, busiest first.",
    dependencies={
        "span": Provide(read_days, sync_to_thread=False),
        "paging": Provide(read_paging, sync_to_thread=False),
    },
    responses=PROBLEMS,
)
async def users(
    *,
    request: Request[Caller, Any, State],
    span: NamedDependency[Span],
    paging: NamedDependency[Paging],
    grain: Annotated[SpanGrain, QueryParameter(description="`all` makes one period of the span.")] = "all",
    by: Annotated[
        list[Dimension] | None,
        QueryParameter(description="What else rows are told apart by; default nothing."),
    ] = None,
    user: Annotated[
        str | None, QueryParameter(description="Only this user; `(none)` for none.", max_length=LONGEST)
    ] = None,
    model: Model = None,
    project: Project = None,
    evaluator: Annotated[
        str, QueryParameter(description="`rules`, or a judge's name.", max_length=LONGEST)
    ] = "rules",
    evaluator_version: EvaluatorVersion = None,
    sort: Annotated[BreakdownSort, QueryParameter(description="`-` for downwards.")] = "-n_calls",
) -> Users:
    marts: Warehouse = request.app.state.marts
    asked = (
        Question()
        .where("evaluator = %(evaluator)s", evaluator=evaluator)
        .where("evaluator_version = %(evaluator_version)s", evaluator_version=evaluator_version)
        .where("user_id = %(user)s", user=user)
        .where("model = %(model)s", model=model)
        .where("project = %(project)s", project=own_project(request.user, project))
    )
    told_apart: list[Dimension] = by or []
    dimensions: list[Dimension] = [name for name in DIMENSIONS if name in told_apart]
    items, cursor = await read_page(
        marts,
        UserFigures,
        select(
            "marts.quality_by_user",
            _COLUMNS,
            grain=grain,
            dimensions=dimensions,
            asked=asked,
            of_rules=evaluator == "rules",
        ),
        {**asked.values, "grain": grain, "first": span.first_day, "last": span.last_day},
        order=order_of(sort, _ORDERS, question=[grain, dimensions, asked.values]),
        paging=paging,
    )
    return Users(
        limit=paging.limit,
        offset=paging.offset,
        next_cursor=cursor,
        freshness=await freshness(marts),
        start=span.first_day,
        end=span.last_day,
        grain=grain,
        items=items,
    )
