"""Quality and cost by columns of the calls (users, prompts), added up over days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Generic, Literal, LiteralString, TypeVar

import msgspec
from litestar.params import QueryParameter
from psycopg.sql import SQL, Composed

from reports.api.amounts import Amount
from reports.api.filters import LONGEST, Question
from reports.api.paging import Framing, Key, Page, Paging, framing, order_of, read_page
from reports.api.spans import Span, SpanGrain
from reports.api.warehouse import Warehouse

Dimension = Literal["project", "model"]
DIMENSIONS: tuple[Dimension, ...] = ("project", "model")
BreakdownSort = Literal[
    "-n_calls", "n_calls", "-n_failed", "n_failed", "-fail_rate", "fail_rate", "-mean_score", "mean_score",
    "-amount_usd", "amount_usd", "-period", "period",
]  # fmt: skip


By = Annotated[
    list[Dimension] | None, QueryParameter(description="What else rows are told apart by; default nothing.")
]
Judge = Annotated[str, QueryParameter(description="`rules`, or a judge's name.", max_length=LONGEST)]
Sort = Annotated[BreakdownSort, QueryParameter(description="`-` for downwards.")]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one evaluator version says of a group's calls, with 95 % intervals.

    The evaluator `rules` is "failed any rule of severity above info"; its version is the number of the rule
    set. It has a fail rate, the traffic and the cost; judges have a mean grade (1 to 5). `coverage` is
    `n_scored` of `n_calls`. `amount_usd` adds the `n_priced` calls up.
    """

    evaluator: str
    evaluator_version: str
    n_calls: int
    n_scored: int
    n_failed: int | None
    coverage: float | None
    fail_rate: float | None
    fail_rate_low: float | None
    fail_rate_high: float | None
    mean_score: float | None
    mean_score_low: float | None
    mean_score_high: float | None
    n_priced: int | None
    amount_usd: Amount | None
    input_tokens: int | None
    output_tokens: int | None


Row = TypeVar("Row", bound=Figures)


class BreakdownPage(Page, frozen=True, kw_only=True):
    """A page of figures of days; a period is named by its first day."""

    start: date
    end: date
    grain: SpanGrain


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A mart of days, and its columns by which calls are told apart."""

    mart: LiteralString
    columns: tuple[LiteralString, ...]


class Answer(Framing, Generic[Row]):
    """The fields of a `BreakdownPage` with its rows."""

    start: date
    end: date
    grain: SpanGrain
    items: list[Row]


async def read_breakdown(
    marts: Warehouse,
    kind: type[Row],
    breakdown: Breakdown,
    *,
    asked: Question,
    evaluator: str,
    by: Sequence[Dimension] | None,
    grain: SpanGrain,
    sort: BreakdownSort,
    span: Span,
    paging: Paging,
) -> Answer[Row]:
    """A page of the days of `span` by the columns, and by `by`. Raises ClientException."""
    told_apart = by or ()
    dimensions: list[Dimension] = [name for name in DIMENSIONS if name in told_apart]
    asked = asked.where("evaluator = %(evaluator)s", evaluator=evaluator)
    query = select(breakdown, grain=grain, dimensions=dimensions, asked=asked, of_rules=evaluator == "rules")
    items, cursor = await read_page(
        marts,
        kind,
        query,
        {**asked.values, "grain": grain, "first": span.first_day, "last": span.last_day},
        order=order_of(sort, orders(breakdown.columns), question=[grain, dimensions, asked.values]),
        paging=paging,
    )
    return {
        **await framing(marts, paging=paging, cursor=cursor),
        "start": span.first_day,
        "end": span.last_day,
        "grain": grain,
        "items": items,
    }


def orders(columns: Sequence[LiteralString]) -> dict[str, tuple[Key, ...]]:
    """The orders of rows that are told apart by `columns`, period, dimensions and evaluator version."""
    place = (
        Key("period", "date"),
        *(Key(column, "text") for column in columns),
        *(Key(name, "text", when_null="") for name in DIMENSIONS),
        Key("evaluator", "text"),
        Key("evaluator_version", "text"),
    )
    return {
        "period": place,
        "n_calls": (Key("n_calls", "bigint"), *place),
        "n_failed": (Key("n_failed", "bigint", when_null=-1), *place),
        "fail_rate": (Key("fail_rate", "double precision", when_null=-1.0), *place),
        "mean_score": (Key("mean_score", "double precision", when_null=-1.0), *place),
        "amount_usd": (Key("amount_usd", "numeric", when_null=Decimal(-1)), *place),
    }


def select(
    breakdown: Breakdown,
    *,
    grain: SpanGrain,
    dimensions: Sequence[Dimension],
    asked: Question,
    of_rules: bool,
) -> Composed:
    """Days of the mart added up: of the rules, or of judges, which `asked` must say, too.

    Its placeholders are `first`, `last`, `grain` and those of `asked`.
    """
    period = SQL("%(first)s::date" if grain == "all" else "date_trunc(%(grain)s, day::timestamp)::date")
    told = [SQL(f"{name}" if name in dimensions else f"null::text as {name}") for name in DIMENSIONS]
    groups = SQL(", ").join(
        [SQL("1"), *map(SQL, breakdown.columns), *map(SQL, dimensions), SQL("evaluator, evaluator_version")]
    )
    return SQL(
        """
        select
            {period} as period,
            {columns},
            evaluator,
            evaluator_version,
            sum(n_calls)::bigint as n_calls,
            sum(n_scored)::bigint as n_scored,
            sum(n_scored)::double precision / nullif(sum(n_calls), 0) as coverage,
            {measures}
        from {mart}
        where day between %(first)s and %(last)s and {asked}
        group by {groups}
        """
    ).format(
        period=period,
        columns=SQL(", ").join([*map(SQL, breakdown.columns), *told]),
        mart=SQL(breakdown.mart),
        asked=asked.all(),
        groups=groups,
        measures=SQL(_OF_RULES if of_rules else _OF_JUDGES),
    )


# Each row has one or the other; adding nulls up takes as long as adding numbers up.
_OF_RULES: LiteralString = """
    sum(n_failed)::bigint as n_failed,
    sum(n_failed)::double precision / nullif(sum(n_scored), 0) as fail_rate,
    marts.wilson_low(sum(n_failed), sum(n_scored)) as fail_rate_low,
    marts.wilson_high(sum(n_failed), sum(n_scored)) as fail_rate_high,
    null::double precision as mean_score,
    null::double precision as mean_score_low,
    null::double precision as mean_score_high,
    sum(n_priced)::bigint as n_priced,
    sum(amount_usd) as amount_usd,
    sum(input_tokens)::bigint as input_tokens,
    sum(output_tokens)::bigint as output_tokens
"""
_OF_JUDGES: LiteralString = """
    null::bigint as n_failed,
    null::double precision as fail_rate,
    null::double precision as fail_rate_low,
    null::double precision as fail_rate_high,
    sum(sum_wy) / nullif(sum(sum_w), 0) as mean_score,
    marts.mean_low(
        sum(n_clusters), sum(sum_w), sum(sum_wy), sum(sum_ww), sum(sum_wwy), sum(sum_wywy)
    ) as mean_score_low,
    marts.mean_high(
        sum(n_clusters), sum(sum_w), sum(sum_wy), sum(sum_ww), sum(sum_wwy), sum(sum_wywy)
    ) as mean_score_high,
    null::bigint as n_priced,
    null::numeric as amount_usd,
    null::bigint as input_tokens,
    null::bigint as output_tokens
"""
