"""The failing share of each model on one scale, whichever rule sets judged its calls."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from evaluators.statistics.differences import difference
from evaluators.statistics.wilson import wilson
from evaluators.versions.shift import mix
from orchestration.alerts.definition.model import BuiltInMetric, Rule
from orchestration.alerts.reading.types import Group, Sums, Window
from orchestration.versions.scale import Scale, failing_scale

SHARES: LiteralString = """
select windows.number, found.*
from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) with ordinality
    as windows (window_start, window_end, number)
cross join lateral (
    select model, rule_set_version, sum(n_scored)::bigint, sum(n_failed)::bigint
    from marts.failing_hourly
    where hour >= windows.window_start and hour < windows.window_end
    group by model, rule_set_version
) as found
"""


def failing_share(
    connection: psycopg.Connection[TupleRow], rule: Rule, windows: Sequence[Window]
) -> list[dict[Group, Sums]]:
    """Each window's models: `value` is the share less what other rule sets than the one that the threshold
    was chosen for add on the same calls, so it may leave 0 to 1 where that does not fit. The interval is
    Wilson's, widened by the doubt of that offset."""
    starts, ends = zip(*windows, strict=True) if windows else ((), ())
    rows = connection.execute(SHARES, {"starts": [*starts], "ends": [*ends]}).fetchall()
    chosen_at = rule.metric.chosen_at if isinstance(rule.metric, BuiltInMetric) else None
    scale = failing_scale(connection, {rule_set for _, _, rule_set, _, _ in rows}, at=chosen_at)
    counts: list[dict[str, list[tuple[int, int, int]]]] = [{} for _ in windows]
    for number, model, *figures in rows:
        counts[number - 1].setdefault(model, []).append((figures[0], figures[1], figures[2]))
    return [_groups(models, scale=scale) for models in counts]


def _groups(models: Mapping[str, Sequence[tuple[int, int, int]]], *, scale: Scale) -> dict[Group, Sums]:
    return {(("model", model),): _sums(model, counts, scale=scale) for model, counts in models.items()}


def _sums(model: str, counts: Sequence[tuple[int, int, int]], *, scale: Scale) -> Sums:
    n = sum(n for _, n, _ in counts)
    n_failed = sum(n_failed for _, _, n_failed in counts)
    if not n:
        return Sums(0.0, 0.0)
    offset = mix([(n, scale.offset(rule_set, model=model)) for rule_set, n, _ in counts])
    found = difference(wilson(n_failed, n), offset)
    return Sums(n_failed, n, n=n, value=n_failed / n - offset.value, low=found.low, high=found.high)
