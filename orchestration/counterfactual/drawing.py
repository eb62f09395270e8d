"""A seeded, stratified sample of recorded prompts, by the rules of privacy that hold now.

A call's place in the sample is a hash of its id and the seed: the same seed draws the same calls, whatever
else has landed in other strata, and the order of the sample is by chance, so that what a budget does not
reach is missing at random.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.settings import Keep
from orchestration.counterfactual.errors import ReplayError
from orchestration.counterfactual.strata import OTHERS, STRATA, allot, merge_small
from orchestration.windows import Window

ELIGIBLE = "eligible"

# What a project keeps now binds what was kept before: a text that would not be kept today goes nowhere.
_FATE: LiteralString = """
case
    when calls.status <> 'ok' then 'not answered'
    when calls.endpoint like '%%embeddings%%' then 'no chat'
    when calls.body_state not in ('full', 'text', 'masked') then 'no text kept'
    when coalesce(own.keep, every.keep, %(keep)s) = 'none' then 'private now'
    when coalesce(own.keep, every.keep, %(keep)s) = 'masked' and calls.body_state <> 'masked'
        then 'private now'
    when exists (
        select from evaluation.quarantine
        where quarantine.started_at = calls.started_at and quarantine.call_id = calls.call_id
    ) then 'in quarantine'
    else 'eligible'
end
"""
_CALLS: LiteralString = """
from raw.llm_calls as calls
left join access.projects as own on own.project = calls.project
left join access.projects as every on every.project = '*'
where calls.started_at >= %(start)s
    and calls.started_at < %(end)s
    and calls.purpose in ('product', 'demo')
    and (%(project)s::text is null or calls.project = %(project)s)
    and (%(model)s::text is null or calls.requested_model = %(model)s)
"""


class Drawn(msgspec.Struct, frozen=True):
    """A call of the sample."""

    started_at: datetime
    call_id: UUID
    stratum: str


class Draw(msgspec.Struct, frozen=True):
    """A sample as it was drawn: its calls in an order by chance, how many calls each stratum stands for,
    and how many calls of the window were left out, by reason."""

    calls: list[Drawn]
    sizes: dict[str, int]
    left_out: dict[str, int]

    @property
    def n_population(self) -> int:
        """The calls that the sample stands for."""
        return sum(self.sizes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Which calls: those of a window, perhaps of one project or of one requested model."""

    window: Window
    strata: Sequence[str] = ("model",)
    project: str | None = None
    model: str | None = None


def draw_sample(
    connection: Connection[TupleRow], population: Population, *, sample: int, seed: int, keep: Keep
) -> Draw:
    """Draw `sample` calls at most. `keep` holds for projects without a row of their own.

    Counts the window's calls once and orders them once; no text is read. Raises ReplayError where there is
    nothing to draw.
    """
    given = {
        "start": population.window.start,
        "end": population.window.end,
        "project": population.project,
        "model": population.model,
        "keep": keep,
    }
    stratum = _expression(population.strata)
    with connection.transaction():
        found, left_out = _count(connection, stratum, given)
        if not found:
            raise ReplayError(_nothing(population, left_out))
        wanted = allot(found, sample=sample)
        rows = _draw(connection, stratum, given, wanted=wanted, seed=seed)
    sizes = merge_small(found, most=max(1, sample // 4)) if len(wanted) < len(found) else found
    return Draw([Drawn(at.astimezone(UTC), call, name) for at, call, name in rows], sizes, left_out)


def _expression(strata: Sequence[str]) -> LiteralString:
    """SQL of a call's stratum. Raises ReplayError for what nothing can be stratified by."""
    if unknown := [name for name in strata if name not in STRATA]:
        raise ReplayError(f"calls have no stratum {unknown[0]!r:.40}: there are {', '.join(STRATA)}")
    between: LiteralString = " || ' · ' || "
    return between.join(STRATA[name] for name in strata)


def _count(
    connection: Connection[TupleRow], stratum: LiteralString, given: Mapping[str, Any]
) -> tuple[dict[str, int], dict[str, int]]:
    query: LiteralString = f"""
        select {_FATE} as fate, {stratum} as stratum, count(*) {_CALLS} group by 1, 2 order by 1, 2
    """
    sizes: dict[str, int] = {}
    left_out: dict[str, int] = {}
    for fate, name, count in connection.execute(query, given):
        if fate == ELIGIBLE:
            sizes[name] = count
        else:
            left_out[fate] = left_out.get(fate, 0) + count
    return sizes, left_out


def _draw(
    connection: Connection[TupleRow],
    stratum: LiteralString,
    given: Mapping[str, Any],
    *,
    wanted: Mapping[str, int],
    seed: int,
) -> list[TupleRow]:
    query: LiteralString = f"""
        with eligible as (
            select calls.started_at, calls.call_id, {stratum} as stratum,
                md5(calls.call_id::text || %(salt)s) as place
            {_CALLS} and {_FATE} = 'eligible'
        ),
        named as (
            select started_at, call_id, place,
                case when stratum = any(%(names)s) then stratum else %(others)s end as stratum
            from eligible
        ),
        ranked as (
            select *, row_number() over (partition by stratum order by place) as rank from named
        )
        select ranked.started_at, ranked.call_id, ranked.stratum
        from ranked
        inner join unnest(%(names)s::text[], %(counts)s::int[]) as wanted (stratum, count) using (stratum)
        where ranked.rank <= wanted.count
        order by ranked.place
    """
    drawn = {
        "salt": f"/replay/{seed}",
        "names": list(wanted),
        "counts": list(wanted.values()),
        "others": OTHERS,
    }
    return connection.execute(query, {**given, **drawn}).fetchall()


def _nothing(population: Population, left_out: Mapping[str, int]) -> str:
    window = population.window
    why = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
    return (
        f"there is no call to replay from {window.start:%F} to before {window.end:%F}"
        f"{f' (left out: {why})' if why else ''}"
    )
