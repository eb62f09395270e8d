"""`/analytics/prompts`: quality and cost by prompt and its version."""

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


class PromptFigures(Figures, frozen=True, kw_only=True):
    """Calls with a version of a prompt; `(none)` where they name none. Dimensions not asked for are null."""

    period: date
    prompt_name: str
    prompt_version: str
    project: str | None
    model: str | None


class Prompts(BreakdownPage, frozen=True, kw_only=True):
    """The answer of `/analytics/prompts`."""

    items: list[PromptFigures]


_BREAKDOWN = Breakdown("marts.quality_by_prompt", ("prompt_name", "prompt_version"))


@get(
    "/analytics/prompts",
    summary="Quality and cost by prompt and its version, most used first.",
    dependencies=BY_DAYS,
    responses=PROBLEMS,
)
async def prompts(
    *,
    request: Request[Caller, Any, State],
    span: NamedDependency[Span],
    paging: NamedDependency[Paging],
    grain: GrainOfSpan = "all",
    by: By = None,
    prompt: Annotated[
        str | None, QueryParameter(description="Only this prompt; `(none)` for none.", max_length=LONGEST)
    ] = None,
    prompt_version: Annotated[
        str | None, QueryParameter(description="Only this version of it.", max_length=LONGEST)
    ] = None,
    model: Model = None,
    project: Project = None,
    evaluator: Judge = "rules",
    evaluator_version: EvaluatorVersion = None,
    sort: Sort = "-n_calls",
) -> Prompts:
    asked = (
        Question()
        .where("evaluator_version = %(evaluator_version)s", evaluator_version=evaluator_version)
        .where("prompt_name = %(prompt)s", prompt=prompt)
        .where("prompt_version = %(prompt_version)s", prompt_version=prompt_version)
        .where("model = %(model)s", model=model)
        .where("project = %(project)s", project=own_project(request.user, project))
    )
    return Prompts(
        **await read_breakdown(
            request.app.state.marts,
            PromptFigures,
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
