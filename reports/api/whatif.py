"""`/analytics/what-if`: what recorded calls would have cost as other models, at other tiers or prices."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import ClientException
from litestar.params import QueryParameter
from psycopg.sql import SQL

from ingest.proxy.ports import Caller
from reports.api.doors import own_project
from reports.api.filters import LONGEST, Model, Project
from reports.api.freshness import freshness
from reports.api.problems import PROBLEMS
from reports.api.spans import Span, read_days
from reports.api.warehouse import Warehouse
from reports.api.whatif_shapes import Count, Dimension, GroupRow, HeldPrice, WhatIf, WhatIfRow
from reports.whatif.candidates import Prices, find_candidates, parse_ratios
from reports.whatif.classes import Edges, edges_of
from reports.whatif.fine import Rates
from reports.whatif.notes import notes_of
from reports.whatif.query import select_groups, values_of
from reports.whatif.question import Question, Terms, Traffic, WhatIfError
from reports.whatif.reading import BOOK, AddedUp, add_up, days_of, group_of
from reports.whatif.totals import Line, Totals

MOST_ATTEMPTS = 300_000
"""About two seconds; `lqo whatif` takes any number."""
MOST_DAYS = timedelta(days=31)
MOST_MODELS = 10
MOST_ROWS = 1_000

_ATTEMPTS = SQL(
    "select coalesce(sum(n_attempts), 0)::bigint as n from marts.cost_hourly"
    " where hour >= %(start)s and hour < %(end)s"
)


@get(
    "/analytics/what-if",
    summary="What recorded calls would have cost as other models, at other tiers or prices.",
    description=f"At most 31 days and {MOST_ATTEMPTS:,} provider attempts; `lqo whatif` takes any number.",
    dependencies={"span": Provide(read_days, sync_to_thread=False)},
    responses=PROBLEMS,
)
async def what_if(
    *,
    request: Request[Caller, Any, State],
    span: NamedDependency[Span],
    models: Annotated[
        list[str] | None,
        QueryParameter(
            description="Candidates: a model, PROVIDER/MODEL, or `recorded`, each call's own, the default."
        ),
    ] = None,
    tiers: Annotated[
        list[str] | None, QueryParameter(description="standard, batch, flex …; default each call's own.")
    ] = None,
    prices_at: Annotated[
        date | None, QueryParameter(description="Prices of that UTC day; default of each call's own.")
    ] = None,
    ratio: Annotated[
        list[str] | None, QueryParameter(description="Tokens there for one recorded: NUMBER or MODEL=NUMBER.")
    ] = None,
    cache: Annotated[
        Literal["recorded", "none"], QueryParameter(description="`none`: all cached input is read anew.")
    ] = "recorded",
    by: Annotated[list[Dimension] | None, QueryParameter(description="What rows are told apart by.")] = None,
    model: Model = None,
    project: Project = None,
    provider: Annotated[
        str | None, QueryParameter(description="Only this provider.", max_length=LONGEST)
    ] = None,
) -> WhatIf:
    marts: Warehouse = request.app.state.marts
    project = own_project(request.user, project)
    await _check_size(marts, span, n_models=len(models or ()))
    prices_held = await marts.rows(HeldPrice, SQL(BOOK), {})
    try:
        terms = Terms(prices_at=prices_at, is_cached=cache == "recorded")
        traffic = Traffic(
            first=span.first_day,
            last=span.last_day,
            models=() if model is None else (model,),
            projects=() if project is None else (project,),
            providers=() if provider is None else (provider,),
        )
        # The library's tables take a moment to load, once.
        candidates, prices = await asyncio.to_thread(
            find_candidates,
            models or ["recorded"],
            tiers=tiers or (),
            held=[row.row() for row in prices_held],
            at=datetime.now(UTC),
            input_ratios=parse_ratios(ratio or (), option="ratio"),
        )
        asked = Question(
            traffic=traffic, candidates=candidates, terms=terms, by=tuple(dict.fromkeys(by or ()))
        )
        totals = await _read(marts, asked, prices)
    except WhatIfError as error:
        raise ClientException(str(error)) from error
    if len(totals.lines) > MOST_ROWS:
        raise ClientException(f"by: {len(totals.lines):,} rows are more than {MOST_ROWS:,}")
    return WhatIf(
        start=span.first_day,
        end=span.last_day,
        prices_at=prices_at,
        price_version=prices.book.version,
        n_attempts=totals.recorded.n_attempts,
        amount_usd=_amount(totals.recorded.amount_usd),
        unpriced_reasons=dict(totals.recorded.reasons.most_common()),
        notes=list(notes_of(asked, totals)),
        items=_rows(asked, totals),
        freshness=await freshness(marts),
    )


async def _check_size(marts: Warehouse, span: Span, *, n_models: int) -> None:
    """Raise ClientException for a question that takes long."""
    if n_models > MOST_MODELS:
        raise ClientException(f"models: {n_models} are more than {MOST_MODELS}")
    if span.end - span.start > MOST_DAYS:
        raise ClientException(f"start: at most {MOST_DAYS.days} days; `lqo whatif` takes more")
    found = await marts.row(Count, _ATTEMPTS, {"start": span.start, "end": span.end})
    if found is not None and found.n > MOST_ATTEMPTS:
        raise ClientException(
            f"start: {found.n:,} attempts are more than {MOST_ATTEMPTS:,}; `lqo whatif` takes any number"
        )


async def _read(marts: Warehouse, asked: Question, prices: Prices) -> Totals:
    edges = edges_of(prices.rows, asked.candidates)
    totals = Totals()
    fine: frozenset[Rates] = frozenset()
    for day in days_of(asked.traffic.first, asked.traffic.last):
        found = await _read_day(marts, asked, day, prices=prices, edges=edges, fine=fine)
        while found.is_short:
            found = await _read_day(marts, asked, day, prices=prices, edges=edges, fine=found.fine)
        fine = found.fine
        totals.merge(found.totals)
    return totals


async def _read_day(
    marts: Warehouse, asked: Question, day: date, *, prices: Prices, edges: Edges, fine: frozenset[Rates]
) -> AddedUp:
    rates = sorted(fine)
    rows = await marts.rows(GroupRow, select_groups(asked, fine=rates), values_of(asked, day, edges=edges))
    groups = [group_of(msgspec.structs.astuple(row), asked, day, fine=rates) for row in rows]
    return await asyncio.to_thread(add_up, groups, asked, prices=prices)


def _rows(asked: Question, totals: Totals) -> list[WhatIfRow]:
    places = {candidate: place for place, candidate in enumerate(asked.candidates)}
    found = sorted(totals.lines.items(), key=lambda item: (item[0][0], places[item[0][1]]))
    return [
        WhatIfRow(
            **dict(zip(asked.by, names, strict=True)),  # pyright: ignore[reportArgumentType]
            candidate=candidate.name,
            as_tier=candidate.tier,
            **_figures(line),
        )
        for (names, candidate), line in found
    ]


def _figures(line: Line) -> dict[str, Any]:
    has_any = line.n_compared > 0
    percent = line.saving_percent
    return {
        "n_attempts": line.n_attempts,
        "n_compared": line.n_compared,
        "actual_usd": _amount(line.actual_usd) if has_any else None,
        "whatif_usd": _amount(line.whatif_usd) if has_any else None,
        "saving_usd": _amount(line.saving_usd) if has_any else None,
        "saving_percent": None if percent is None else _amount(percent),
        "n_new": line.n_new,
        "new_usd": _amount(line.new_usd),
        "n_not_priced": line.n_not_priced,
        "not_priced_actual_usd": _amount(line.not_priced_actual_usd),
        "not_priced_reasons": dict(line.reasons.most_common()),
        "foreign_tokens": line.n_foreign_tokens,
        "uncached_tokens": line.n_uncached_tokens,
        "price_version": line.price_version or None,
    }


def _amount(amount: Decimal) -> str:
    return format(amount, "f")
