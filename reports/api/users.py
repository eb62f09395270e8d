"""`/analytics/users`: quality and cost by end user."""

from datetime import date
from typing import Annotated, Any

from litestar import Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from ingest.proxy.ports import Caller
from reports.api.breakdown import Breakdown, BreakdownPage, By, Figures, Judge, Sort, read_breakdown
from reports.api.doors import own_project
from reports.api.filters import LONGEST, EvaluatorVersion, Model, Project, Question
from reports.api.paging import Paging
from reports.api.problems import PROBLEMS
from reports.api.spans import BY_DAYS, GrainOfSpan, Span


class UserFigures(Figures, frozen=True, kw_only=True):
    """A user's calls of a period; `(none)` for calls of no user. Dimensions not asked for are null."""

    period: date
    user_id: str
    project: str | None
    model: str | None


class Users(BreakdownPage, frozen=True, kw_only=True):
    """The answer of `/analytics/users`."""

    items: list[UserFigures]


_BREAKDOWN = Breakdown("marts.quality_by_user", ("user_id",))


@get(
    "/analytics/users",
    summary="Quality and cost by end user, busiest first.",
    dependencies=BY_DAYS,
    responses=PROBLEMS,
)
async def users(
    *,
    request: Request[Caller, Any, State],
    span: NamedDependency[Span],
    paging: NamedDependency[Paging],
    grain: GrainOfSpan = "all",
    by: By = None,
    user: Annotated[
        str | None, QueryParameter(description="Only this user; `(none)` for none.", max_length=LONGEST)
    ] = None,
    model: Model = None,
    project: Project = None,
    evaluator: Judge = "rules",
    evaluator_version: EvaluatorVersion = None,
    sort: Sort = "-n_calls",
) -> Users:
    asked = (
        Question()
        .where("evaluator_version = %(evaluator_version)s", evaluator_version=evaluator_version)
        .where("user_id = %(user)s", user=user)
        .where("model = %(model)s", model=model)
        .where("project = %(project)s", project=own_project(request.user, project))
    )
    return Users(
        **await read_breakdown(
            request.app.state.marts,
            UserFigures,
            _BREAKDOWN,
            asked=asked,
            evaluator=evaluator,
            by=by,
            grain=grain,
            sort=sort,
            span=span,
            paging=paging,
        )
    )
