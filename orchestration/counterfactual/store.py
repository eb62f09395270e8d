"""Replays in the warehouse: what was asked for, which calls were drawn, and the points of the frontier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, Literal, LiteralString
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from evaluators.statistics.estimate import Estimate
from evaluators.statistics.frontier import FrontierPoint
from ingest.uuid7 import uuid7
from orchestration.counterfactual.drawing import Draw
from orchestration.windows import Window

ReplayOutcome = Literal["finished", "out_of_budget"]

_UNFINISHED: LiteralString = """
select replay_id, sample from evaluation.replays
where fingerprint = %s and outcome is distinct from 'finished'
order by started_at desc
limit 1
"""
_ADD: LiteralString = """
insert into evaluation.replays (
    replay_id, fingerprint, window_start, window_end, settings, sample, models, max_usd, started_at
)
values (
    %(replay_id)s, %(fingerprint)s, %(start)s, %(end)s, %(settings)s, %(sample)s, %(models)s, %(max_usd)s,
    %(started_at)s
)
"""
_REOPEN: LiteralString = """
update evaluation.replays set max_usd = %s, outcome = null, finished_at = null where replay_id = %s
"""
_FINISH: LiteralString = """
update evaluation.replays set outcome = %s, finished_at = now() where replay_id = %s
"""
_COLUMNS = (
    *("replay_id", "rubric", "model", "is_incumbent", "evaluator_version_id", "judge_model"),
    *("n_prompts", "n_answered", "n_graded", "n_priced", "n_pairs", "represented"),
    *("grade", "grade_low", "grade_high"),
    *("grade_difference", "grade_difference_low", "grade_difference_high"),
    *("usd_per_1k", "usd_per_1k_low", "usd_per_1k_high"),
    *("usd_per_1k_difference", "usd_per_1k_difference_low", "usd_per_1k_difference_high"),
    *("sample_usd", "price_version", "dominated_by", "surely_dominated_by", "unscored"),
)
_PER_1K = 1_000.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A replay under way, with the sample that it was begun with."""

    replay_id: UUID
    draw: Draw
    is_continued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One model by one rubric: its point, what it was measured by, and what has no grade, by reason.

    `sample_usd` is what the priced answers of the sample cost together.
    """

    rubric: str
    is_incumbent: bool
    evaluator_version_id: int
    judge_model: str
    point: FrontierPoint
    n_prompts: int
    n_answered: int
    n_graded: int
    n_priced: int
    sample_usd: Decimal
    price_version: int
    unscored: Mapping[str, int]


def find_unfinished(connection: Connection[TupleRow], fingerprint: bytes) -> Opened | None:
    """The replay of this fingerprint that was killed, or that ran out of budget."""
    with connection.transaction():
        row = connection.execute(_UNFINISHED, (fingerprint,)).fetchone()
    return None if row is None else Opened(row[0], msgspec.convert(row[1], Draw), is_continued=True)


def add_replay(
    connection: Connection[TupleRow],
    *,
    fingerprint: bytes,
    window: Window,
    settings: Mapping[str, Any],
    draw: Draw,
    models: Sequence[str],
    max_usd: Decimal,
) -> Opened:
    """Begin a replay: its sample is pinned before anything is asked."""
    now = datetime.now(UTC)
    replay_id = uuid7(now)
    given = {
        "replay_id": replay_id,
        "fingerprint": fingerprint,
        "start": window.start,
        "end": window.end,
        "settings": Jsonb(dict(settings)),
        "sample": Jsonb(msgspec.to_builtins(draw)),
        "models": list(models),
        "max_usd": max_usd,
        "started_at": now,
    }
    with connection.transaction():
        connection.execute(_ADD, given)
    return Opened(replay_id, draw, is_continued=False)


def reopen_replay(connection: Connection[TupleRow], replay_id: UUID, *, max_usd: Decimal) -> None:
    """Go on with a replay; its budget is the one that was given last."""
    with connection.transaction():
        connection.execute(_REOPEN, (max_usd, replay_id))


def finish_replay(
    connection: Connection[TupleRow],
    replay_id: UUID,
    measured: Sequence[Measured],
    *,
    outcome: ReplayOutcome,
) -> None:
    """Store the frontier, in place of an earlier one of this replay, and how it ended."""
    columns, values = ", ".join(_COLUMNS), ", ".join(f"%({name})s" for name in _COLUMNS)
    insert = f"insert into evaluation.replay_points ({columns}) values ({values})"
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("delete from evaluation.replay_points where replay_id = %s", (replay_id,))
        cursor.executemany(insert.encode(), [_row(replay_id, each) for each in measured])
        cursor.execute(_FINISH, (outcome, replay_id))


def _row(replay_id: UUID, measured: Measured) -> dict[str, Any]:
    point = measured.point
    own = {name: getattr(measured, name) for name in _COLUMNS if hasattr(measured, name)}
    return {
        **own,
        "replay_id": replay_id,
        "model": point.name,
        "n_pairs": point.grade_difference.n,
        "represented": point.represented,
        **_ends("grade", point.grade),
        **_ends("grade_difference", point.grade_difference),
        **_ends("usd_per_1k", point.usd, times=_PER_1K),
        **_ends("usd_per_1k_difference", point.usd_difference, times=_PER_1K),
        "dominated_by": list(point.dominated_by),
        "surely_dominated_by": list(point.surely_dominated_by),
        "unscored": Jsonb(dict(measured.unscored)),
    }


def _ends(name: str, estimate: Estimate, *, times: float = 1.0) -> dict[str, float | None]:
    figures = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {name: value * times if isfinite(value) else None for name, value in figures.items()}
