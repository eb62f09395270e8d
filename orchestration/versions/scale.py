"""The scale of a failing share: how much of it is the rule set's doing, measured from a set of reference."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.statistics.differences import difference
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.wilson import wilson
from evaluators.versions.shift import NO_SHIFT, chain, rate_shift, reverse

# The shift of all models together stands under this name.
ALL = ""
# A model with fewer calls under both sets is corrected by what all models show.
FEWEST_CALLS = 30

BRIDGES: LiteralString = """
select
    from_rule_set, to_rule_set, coalesce(model, %(all)s),
    sum(n_shared)::integer, sum(n_failed_from)::integer, sum(n_failed_to)::integer, sum(n_flips)::integer
from evaluation.rule_set_bridges
group by grouping sets ((from_rule_set, to_rule_set, model), (from_rule_set, to_rule_set))
having sum(n_shared) >= %(fewest)s
"""

# The newest set that had begun by then; the first one where nothing is said.
REFERENCE: LiteralString = """
select id from evaluation.rule_sets
where %(at)s::timestamptz is null or current_from <= %(at)s
order by case when %(at)s::timestamptz is null then id end, current_from desc, id desc
limit 1
"""

# A day of calls on either side of the moment at which a set first shows.
NEIGHBOURS: LiteralString = """
with firsts as (
    select min(hour) as first_hour from marts.failing_hourly where rule_set_version = %(set)s
),
before as (
    select rule_set_version, max(hour) as last_hour
    from marts.failing_hourly
    cross join firsts
    where hour <= first_hour and rule_set_version < %(set)s
    group by 1
    order by last_hour desc, rule_set_version desc
    limit 1
)
select
    before.rule_set_version,
    coalesce(hours.model, %(all)s),
    coalesce(sum(hours.n_scored) filter (where hours.rule_set_version = before.rule_set_version), 0)::integer,
    coalesce(sum(hours.n_failed) filter (where hours.rule_set_version = before.rule_set_version), 0)::integer,
    coalesce(sum(hours.n_scored) filter (where hours.rule_set_version = %(set)s), 0)::integer,
    coalesce(sum(hours.n_failed) filter (where hours.rule_set_version = %(set)s), 0)::integer
from before
cross join firsts
inner join marts.failing_hourly as hours
    on (
        hours.rule_set_version = before.rule_set_version
        and hours.hour <= before.last_hour and hours.hour > before.last_hour - interval '1 day'
    )
    or (
        hours.rule_set_version = %(set)s
        and hours.hour >= firsts.first_hour and hours.hour < firsts.first_hour + interval '1 day'
    )
group by before.rule_set_version, grouping sets ((hours.model), ())
"""

Shifts = Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Scale:
    """Offsets of rule sets from the reference: what a set adds to the failing share of the same calls.

    By set and model, `ALL` for models that have none of their own. A set that is not here adds nothing.
    """

    reference: int | None
    offsets: Mapping[int, Shifts]

    def offset(self, rule_set: int, *, model: str) -> Estimate:
        shifts = self.offsets.get(rule_set, {})
        return shifts.get(model) or shifts.get(ALL) or NO_SHIFT


def failing_scale(
    connection: Connection[TupleRow], rule_sets: Collection[int], *, at: datetime | None = None
) -> Scale:
    """The offsets of these sets from the one that was current `at` (None: the first ever), in the caller's
    transaction.

    Sets that judged the same calls are bridged by these, over several steps if need be. Where no bridge leads
    to a set, its first day is compared with the last day of the set before: whatever else happened at that
    moment is then taken for the evaluator's doing, and only what follows for the product's.
    """
    row = connection.execute(REFERENCE, {"at": at}).fetchone()
    reference: int | None = row[0] if row else None
    if reference is None or set(rule_sets) <= {reference}:
        return Scale(reference, {})
    steps = _steps(connection)
    offsets: dict[int, Shifts] = {reference: {ALL: NO_SHIFT}}
    _spread(offsets, steps)
    for rule_set in sorted(set(rule_sets) - offsets.keys()):
        _add_unbridged(connection, rule_set, offsets=offsets)
        _spread(offsets, steps)
    return Scale(reference, offsets)


def _steps(connection: Connection[TupleRow]) -> dict[tuple[int, int], dict[str, Estimate]]:
    steps: dict[tuple[int, int], dict[str, Estimate]] = {}
    for one, other, model, n, n_from, n_to, n_flips in connection.execute(
        BRIDGES, {"all": ALL, "fewest": FEWEST_CALLS}
    ):
        shift = rate_shift(n=n, n_from=n_from, n_to=n_to, n_flips=n_flips)
        steps.setdefault((one, other), {})[model] = shift
        steps.setdefault((other, one), {})[model] = reverse(shift)
    return steps


def _spread(offsets: dict[int, Shifts], steps: Mapping[tuple[int, int], Shifts]) -> None:
    """Walk the bridges from the sets that have an offset to those that have none, the shortest way."""
    edge = list(offsets)
    while edge:
        here = edge.pop(0)
        for (one, other), shifts in sorted(steps.items()):
            if one == here and other not in offsets:
                offsets[other] = _after(offsets[here], shifts)
                edge.append(other)


def _after(before: Shifts, shifts: Shifts) -> dict[str, Estimate]:
    """The offset behind a step, for every model that either side knows."""
    names = {*before, *shifts}
    known = {
        name: (before.get(name) or before.get(ALL), shifts.get(name) or shifts.get(ALL)) for name in names
    }
    return {name: chain([one, other]) for name, (one, other) in known.items() if one and other}


def _add_unbridged(connection: Connection[TupleRow], rule_set: int, *, offsets: dict[int, Shifts]) -> None:
    shifts: dict[str, Estimate] = {}
    before: int | None = None
    for before, model, n_old, failed_old, n_new, failed_new in connection.execute(  # noqa: B007
        NEIGHBOURS, {"set": rule_set, "all": ALL}
    ):
        if n_old and n_new:
            shifts[model] = difference(wilson(failed_new, n_new), wilson(failed_old, n_old))
    if before is None:
        return
    if before not in offsets:
        _add_unbridged(connection, before, offsets=offsets)
    offsets[rule_set] = _after(offsets.get(before, {ALL: NO_SHIFT}), shifts)
