"""`/analytics/compare-models` and `/analytics/compare-pairs`: which model is better, and how sure that is."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal, LiteralString

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
from reports.api.filters import LONGEST, Evaluator, Model, Project, Question
from reports.api.paging import Key, Page, Paging, framing, order_of, read_page
from reports.api.problems import PROBLEMS
from reports.api.spans import BY_DAYS, GrainOfSpan, Span, SpanGrain
from reports.api.warehouse import Warehouse

MOST_DAILY = timedelta(days=14)
"""Each day is put on a mix of its own, at about 15 ms."""


class ComparedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model against all others of the period, by one evaluator version; 95 % intervals.

    `measure` says what is compared: `fail_rate` (lower is better) or `mean_score` (higher is better).
    `difference` is as the calls came; `standardised_difference` is on one mix of prompt classes, languages
    and lengths, of which `mix_coverage` could be compared; `matched_difference` is on prompts that both sides
    have answered. Each has its verdict: better, worse, no difference shown, or not enough data. Latency is of
    calls that ended well; latency and cost are the model's own, the same on each of its rows of a period.

    `calibration_state` says whether people's labels bear a judge out (ok, degraded, uncalibrated): only an
    `ok` one ranks models; null for the rules. Of kind `external`, scores that came with an import, `better`
    says no more than higher.
    """

    period: date
    evaluator: str
    evaluator_version: str
    kind: str
    calibration_state: str | None
    model: str
    measure: str
    n_calls: int | None
    n_scored: int
    coverage: float | None
    estimate: float | None
    estimate_low: float | None
    estimate_high: float | None
    n_rest_scored: int | None
    rest_estimate: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    verdict: str
    mix_coverage: float | None
    n_effective: float | None
    n_rest_effective: float | None
    standardised: float | None
    standardised_low: float | None
    standardised_high: float | None
    rest_standardised: float | None
    standardised_difference: float | None
    standardised_difference_low: float | None
    standardised_difference_high: float | None
    standardised_verdict: str
    n_matched_prompts: int | None
    matched_difference: float | None
    matched_difference_low: float | None
    matched_difference_high: float | None
    matched_verdict: str
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    n_priced: int | None
    amount_usd: Amount | None
    cost_per_1k_calls_usd: Amount | None


class ComparedPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two models on the prompts that both have answered; `other_model` `(rest)` is all others together."""

    period: date
    evaluator: str
    evaluator_version: str
    model: str
    other_model: str
    measure: str
    n_prompts: int
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    verdict: str


class ComparedModels(Page, frozen=True, kw_only=True):
    """The answer of `/analytics/compare-models`."""

    start: date
    end: date
    grain: SpanGrain
    items: list[ComparedModel]


class ComparedPairs(Page, frozen=True, kw_only=True):
    """The answer of `/analytics/compare-pairs`."""

    start: date
    end: date
    grain: SpanGrain
    items: list[ComparedPair]


# Materialized: each part is read once, whatever the planner thinks of functions that it cannot see into.
_MODELS: LiteralString = """
with compared as materialized (
    select * from marts.compare_models(
        %(first)s, %(last)s, %(grain)s, %(projects)s::text[], %(evaluator)s::text
    )
),
latencies as materialized (
    select * from marts.latency_percentiles(
        %(first)s, %(last)s, %(grain)s, 'latency', null::text[], %(projects)s::text[]
    )
),
evaluators as materialized (
    select evaluator, evaluator_version, kind, calibration_state
    from marts.evaluator_calibrations
    where stratum = 'overall'
),
costs as materialized (
    select
        case when %(grain)s = 'all' then %(first)s::date else date_trunc(%(grain)s, day::timestamp)::date end
            as period,
        model,
        sum(n_priced)::bigint as n_priced,
        sum(amount_usd) as amount_usd
    from marts.cost_daily
    where day between %(first)s and %(last)s
        and (%(projects)s::text[] is null or project = any(%(projects)s))
    group by 1, 2
)
select
    compared.*,
    coalesce(evaluators.kind, case measure when 'fail_rate' then 'rule' else 'judge' end) as kind,
    case measure when 'mean_score' then coalesce(calibration_state, 'uncalibrated') end as calibration_state,
    latencies.p50_ms as latency_p50_ms,
    latencies.p95_ms as latency_p95_ms,
    costs.n_priced,
    costs.amount_usd,
    round(1000 * costs.amount_usd / nullif(costs.n_priced, 0), 12) as cost_per_1k_calls_usd
from compared
left join evaluators using (evaluator, evaluator_version)
left join latencies using (period, model)
left join costs using (period, model)
where {asked}
"""

_KEYS = (
    Key("period", "date"),
    Key("evaluator", "text"),
    Key("evaluator_version", "text"),
    Key("model", "text"),
)
_ORDERS = {
    "period": _KEYS,
    "estimate": (Key("estimate", "double precision", when_null=-1.0), *_KEYS),
    "n_scored": (Key("n_scored", "bigint"), *_KEYS),
}
_PAIR_ORDERS = {"period": (*_KEYS, Key("other_model", "text"))}


@get(
    "/analytics/compare-models",
    summary="Each model against all others: as it came, on one mix of prompts, and on matched prompts.",
    dependencies=BY_DAYS,
    responses=PROBLEMS,
)
async def compare_models(
    *,
    request: Request[Caller, Any, State],
    span: NamedDependency[Span],
    paging: NamedDependency[Paging],
    grain: GrainOfSpan = "all",
    model: Model = None,
    project: Project = None,
    evaluator: Evaluator = None,
    sort: Annotated[
        Literal["period", "-period", "estimate", "-estimate", "n_scored", "-n_scored"],
        QueryParameter(description="`-` for downwards."),
    ] = "period",
) -> ComparedModels:
    if grain == "day" and span.end - span.start > MOST_DAILY:
        raise ClientException(
            f"grain: models are compared by day for {MOST_DAILY.days} days at most; ask for weeks"
        )
    marts: Warehouse = request.app.state.marts
    asked = Question().where("model = %(model)s", model=model)
    values = _values(span, grain=grain, project=own_project(request.user, project), evaluator=evaluator)
    select = SQL(_MODELS).format(asked=asked.all())
    items, cursor = await read_page(
        marts,
        ComparedModel,
        select,
        {**asked.values, **values},
        order=order_of(sort, _ORDERS, question=[grain, project, evaluator, asked.values]),
        paging=paging,
    )
    return ComparedModels(
        **await framing(marts, paging=paging, cursor=cursor),
        start=span.first_day,
        end=span.last_day,
        grain=grain,
        items=items,
    )


@get(
    "/analytics/compare-pairs",
    summary="Two models at a time, on the prompts that both have answered.",
    dependencies=BY_DAYS,
    responses=PROBLEMS,
)
async def compare_pairs(
    *,
    request: Request[Caller, Any, State],
    span: NamedDependency[Span],
    paging: NamedDependency[Paging],
    grain: GrainOfSpan = "all",
    model: Model = None,
    other_model: Annotated[
        str | None, QueryParameter(description="Only against this one.", max_length=LONGEST)
    ] = None,
    project: Project = None,
    evaluator: Evaluator = None,
    sort: Annotated[
        Literal["period", "-period"], QueryParameter(description="`-` for downwards.")
    ] = "period",
) -> ComparedPairs:
    marts: Warehouse = request.app.state.marts
    asked = (
        Question()
        .where("model = %(model)s", model=model)
        .where("other_model = %(other_model)s", other_model=other_model)
    )
    values = _values(span, grain=grain, project=own_project(request.user, project), evaluator=evaluator)
    select = SQL(
        "select {columns} from marts.compare_pairs("
        "%(first)s, %(last)s, %(grain)s, %(projects)s::text[], %(evaluator)s::text) where {asked}"
    ).format(columns=_columns(ComparedPair), asked=asked.all())
    items, cursor = await read_page(
        marts,
        ComparedPair,
        select,
        {**asked.values, **values},
        order=order_of(sort, _PAIR_ORDERS, question=[grain, project, evaluator, asked.values]),
        paging=paging,
    )
    return ComparedPairs(
        **await framing(marts, paging=paging, cursor=cursor),
        start=span.first_day,
        end=span.last_day,
        grain=grain,
        items=items,
    )


def _values(span: Span, *, grain: SpanGrain, project: str | None, evaluator: str | None) -> dict[str, Any]:
    return {
        "first": span.first_day,
        "last": span.last_day,
        "grain": grain,
        "projects": None if project is None else [project],
        "evaluator": evaluator,
    }


def _columns(kind: type[msgspec.Struct]) -> Any:
    return SQL(", ").join(SQL(name) for name in kind.__struct_fields__)  # pyright: ignore[reportArgumentType]
