"""Replays of before, as they are shown."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow, class_row, dict_row

from evaluators.statistics.estimate import Estimate, unknown
from orchestration.counterfactual.claims import read_spent
from orchestration.counterfactual.errors import ReplayError
from reports.frontier.figures import Frontier, ModelPoint

LAST = "last"

_LIST: LiteralString = """
select
    replays.replay_id, replays.started_at, replays.models, replays.max_usd, replays.outcome,
    jsonb_array_length(replays.sample -> 'calls') as n_drawn,
    coalesce((
        select sum(coalesce(spent_usd, reserved_usd)) from evaluation.replay_claims
        where replay_claims.replay_id = replays.replay_id
    ), 0) as spent_usd
from evaluation.replays
order by replays.started_at desc
limit %s
"""
_FIND: LiteralString = """
select replay_id, window_start, window_end, settings, sample, max_usd, outcome
from evaluation.replays
where %(prefix)s = 'last' or starts_with(replay_id::text, %(prefix)s)
order by
    -- The last is the last that has figures: one that is under way does not hide it.
    %(prefix)s = 'last'
    and not exists (select from evaluation.replay_points where replay_points.replay_id = replays.replay_id),
    started_at desc
limit 2
"""
_POINTS: LiteralString = """
select replay_points.*, evaluator_versions.version as judge_version
from evaluation.replay_points
inner join evaluation.evaluator_versions on evaluator_versions.id = replay_points.evaluator_version_id
where replay_id = %s
order by rubric, is_incumbent desc, usd_per_1k, model
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A replay in a list; `outcome` None while it is under way, or after it was killed."""

    replay_id: UUID
    started_at: datetime
    models: list[str]
    n_drawn: int
    max_usd: Decimal
    spent_usd: Decimal
    outcome: str | None


def list_replays(connection: Connection[TupleRow], *, limit: int) -> list[Listed]:
    """The newest first."""
    with connection.transaction(), connection.cursor(row_factory=class_row(Listed)) as cursor:
        return cursor.execute(_LIST, (limit,)).fetchall()


def find_frontiers(connection: Connection[TupleRow], prefix: str = LAST) -> list[Frontier]:
    """The frontiers of a replay, one a rubric: of the one whose id begins so, or the `last`.

    Raises ReplayError where there is none, or several, or none of its figures is there yet.
    """
    with connection.transaction():
        rows = connection.execute(_FIND, {"prefix": prefix.lower()}).fetchall()
    if not rows and prefix.lower() == LAST:
        raise ReplayError("no replays yet (`lqo whatif replay --help`)")
    if not rows:
        raise ReplayError(f"there is no replay {prefix[:40]!r} (`lqo whatif replays` lists them)")
    if len(rows) > 1 and prefix.lower() != LAST:
        raise ReplayError(f"several replays begin with {prefix[:40]!r}")
    replay_id, *replay = rows[0]
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        points = cursor.execute(_POINTS, (replay_id,)).fetchall()
    if not points:
        raise ReplayError(
            f"replay {replay_id} is under way or was killed: no figures; the same command continues it"
        )
    spent = read_spent(connection, replay_id).usd
    rubrics = dict.fromkeys(point["rubric"] for point in points)
    return [
        _frontier(replay_id, replay, [point for point in points if point["rubric"] == rubric], spent)
        for rubric in rubrics
    ]


def _frontier(
    replay_id: UUID, replay: list[Any], points: list[dict[str, Any]], spent_usd: Decimal
) -> Frontier:
    start, end, settings, sample, max_usd, outcome = replay
    first = points[0]
    return Frontier(
        replay_id=replay_id,
        rubric=first["rubric"],
        judge=first["judge_model"],
        judge_version=first["judge_version"],
        window_start=start,
        window_end=end,
        n_population=sum(sample["sizes"].values()),
        seed=settings["seed"],
        outcome=outcome or "under way",
        max_usd=max_usd,
        spent_usd=spent_usd,
        price_version=first["price_version"],
        computed_at=first["computed_at"],
        points=[_point(point) for point in points],
    )


def _point(row: dict[str, Any]) -> ModelPoint:
    return ModelPoint(
        model=row["model"],
        is_incumbent=row["is_incumbent"],
        n_prompts=row["n_prompts"],
        n_graded=row["n_graded"],
        n_pairs=row["n_pairs"],
        grade=_estimate(row, "grade", n=row["n_graded"]),
        grade_difference=_estimate(row, "grade_difference", n=row["n_pairs"]),
        usd_per_1k=_estimate(row, "usd_per_1k", n=row["n_priced"]),
        usd_per_1k_difference=_estimate(row, "usd_per_1k_difference", n=row["n_priced"]),
        represented=row["represented"],
        dominated_by=tuple(row["dominated_by"]),
        surely_dominated_by=tuple(row["surely_dominated_by"]),
        unscored=row["unscored"],
    )


def _estimate(row: dict[str, Any], name: str, *, n: int) -> Estimate:
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if value is None:
        return unknown(n)
    nothing = float("nan")
    return Estimate(value, nothing if low is None else low, nothing if high is None else high, n)
