"""Runs in the warehouse: what was asked, answered, graded and found."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Json, Jsonb

from ingest.landing.text import repair
from ingest.uuid7 import uuid7
from orchestration.comparison.items import EvalItem, Side

Origin = Literal["asked", "recorded", "reused"]
Outcome = Literal["measured", "passed", "failed", "not_judged"]

REUSED_FOR_HOURS = 24
"""Answers of a finished run are asked again after this long: what stands behind a model's name may change."""

_UNFINISHED: LiteralString = """
select run_id, started_at from evaluation.eval_runs
where fingerprint = %s and finished_at is null
order by started_at desc
limit 1
"""
_ADD_RUN: LiteralString = """
insert into evaluation.eval_runs (
    run_id, fingerprint, name, dataset, dataset_hash, n_items, candidate, baseline, judge_model, rubrics,
    is_pairwise, settings, started_at
)
values (
    %(run_id)s, %(fingerprint)s, %(name)s, %(dataset)s, %(dataset_hash)s, %(n_items)s, %(candidate)s,
    %(baseline)s, %(judge_model)s, %(rubrics)s, %(is_pairwise)s, %(settings)s, %(started_at)s
)
"""
_ADD_ITEM: LiteralString = """
insert into evaluation.eval_items (run_id, side, item_id, position, cluster, item, request_hash)
values (%s, %s, %s, %s, %s, %s, %s)
on conflict do nothing
"""
_REUSE: LiteralString = """
with known as (
    select distinct on (items.request_hash)
        items.request_hash, items.answers, items.call_id, items.answered_at, items.usage, items.cost_usd
    from evaluation.eval_items as items
    inner join evaluation.eval_runs as runs using (run_id)
    where items.request_hash in (select request_hash from evaluation.eval_items where run_id = %(run_id)s)
        and items.run_id <> %(run_id)s
        and items.answers is not null
        and items.origin <> 'recorded'
        and runs.name = %(name)s
        and items.answered_at > %(since)s
    order by items.request_hash, items.answered_at desc
)
update evaluation.eval_items as items
set answers = known.answers,
    call_id = known.call_id,
    answered_at = known.answered_at,
    usage = known.usage,
    cost_usd = known.cost_usd,
    origin = 'reused',
    no_answer_reason = null,
    no_answer_detail = null
from known
where items.run_id = %(run_id)s
    and items.side = any(%(sides)s)
    and items.request_hash = known.request_hash
    and items.answers is null
"""
_ANSWERED: LiteralString = """
update evaluation.eval_items
set answers = %(answers)s,
    no_answer_reason = %(reason)s,
    no_answer_detail = %(detail)s,
    origin = %(origin)s,
    call_id = %(call_id)s,
    answered_at = %(answered_at)s,
    usage = %(usage)s,
    cost_usd = %(cost_usd)s
where run_id = %(run_id)s and side = %(side)s and item_id = %(item_id)s
"""
_GRADED: LiteralString = """
update evaluation.eval_items
set grades = %(grades)s, unscored = %(unscored)s, reasons = %(reasons)s
where run_id = %(run_id)s and side = %(side)s and item_id = %(item_id)s
"""
_ANSWERS: LiteralString = """
select side, item_id, answers, no_answer_reason, origin, call_id, answered_at, usage, cost_usd
from evaluation.eval_items
where run_id = %s
"""
_FINISH: LiteralString = """
update evaluation.eval_runs
set figures = %(figures)s, outcome = %(outcome)s, finished_at = now()
where run_id = %(run_id)s
"""


@dataclass(frozen=True, slots=True)
class RunKey:
    """All that decides the result of a run; `fingerprint` (32 bytes) is over all of it."""

    fingerprint: bytes
    name: str
    dataset: str
    dataset_hash: bytes
    n_items: int
    candidate: str
    baseline: str | None
    judge_model: str | None
    rubrics: tuple[str, ...]
    is_pairwise: bool
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is under way."""

    run_id: UUID
    started_at: datetime
    is_continued: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """What one side said to an item: `answers` one a turn, or the reason why there is none.

    `usage` adds the tokens of all turns up; `call_id` is the call of the last turn; `cost_usd` is known only
    to runs with a budget.
    """

    side: Side
    item_id: str
    answers: tuple[str, ...] | None
    no_answer_reason: str | None = None
    no_answer_detail: str | None = None
    origin: Origin | None = None
    call_id: UUID | None = None
    answered_at: datetime | None = None
    usage: Mapping[str, int] | None = None
    cost_usd: Decimal | None = None


StoredGrades = tuple[Side, str, Mapping[str, float], Mapping[str, str], Mapping[str, str]]
"""Side, item, rubric to grade, rubric to reason for none, rubric to explanation."""


def open_run(connection: Connection[TupleRow], key: RunKey, *, now: datetime, is_fresh: bool) -> Run:
    """The unfinished run of the same key, else a new one."""
    found = None if is_fresh else connection.execute(_UNFINISHED, (key.fingerprint,)).fetchone()
    if found:
        return Run(found[0], found[1], is_continued=True)
    run = Run(uuid7(now), now, is_continued=False)
    given = {name: getattr(key, name) for name in RunKey.__slots__}
    given |= {
        "run_id": run.run_id,
        "started_at": now,
        "name": repair(key.name),
        "dataset": repair(key.dataset),
        "candidate": repair(key.candidate),
        "baseline": None if key.baseline is None else repair(key.baseline),
        "rubrics": list(key.rubrics),
        "settings": Jsonb(dict(key.settings)),
    }
    connection.execute(_ADD_RUN, given)
    return run


def add_items(
    connection: Connection[TupleRow],
    run: Run,
    items: Sequence[EvalItem],
    *,
    requests: Mapping[Side, Mapping[str, bytes]],
) -> None:
    """Enter the items of each side with the hashes of their requests (side to item to 32 bytes)."""
    with connection.cursor() as cursor:
        for side, hashes in requests.items():
            rows = [
                (
                    run.run_id,
                    side,
                    item.item_id,
                    at,
                    repair(item.cluster),
                    _json(item.document),
                    hashes[item.item_id],
                )
                for at, item in enumerate(items)
            ]
            cursor.executemany(_ADD_ITEM, rows)


def reuse_answers(
    connection: Connection[TupleRow], run: Run, *, name: str, sides: Sequence[Side], since: datetime
) -> int:
    """Take over what runs of the same name were answered to the same requests since; how many that is."""
    given = {"run_id": run.run_id, "name": repair(name), "sides": list(sides), "since": since}
    return connection.execute(_REUSE, given).rowcount


def write_answer(connection: Connection[TupleRow], run: Run, answer: Answered) -> None:
    """Keep an answer, in the caller's transaction."""
    given = {
        "run_id": run.run_id,
        "side": answer.side,
        "item_id": answer.item_id,
        "answers": None if answer.answers is None else _json(list(answer.answers)),
        "reason": answer.no_answer_reason,
        "detail": None if answer.no_answer_detail is None else repair(answer.no_answer_detail[:500]),
        "origin": answer.origin,
        "call_id": answer.call_id,
        "answered_at": answer.answered_at,
        "usage": None if answer.usage is None else Jsonb(dict(answer.usage)),
        "cost_usd": answer.cost_usd,
    }
    connection.execute(_ANSWERED, given)


def read_run_answers(connection: Connection[TupleRow], run_id: UUID) -> dict[tuple[Side, str], Answered]:
    """What every item of a run has been answered so far."""
    return {
        (side, item_id): Answered(
            side=side,
            item_id=item_id,
            answers=None if answers is None else tuple(answers),
            no_answer_reason=reason,
            origin=origin,
            call_id=call_id,
            answered_at=answered_at,
            usage=usage,
            cost_usd=usd,
        )
        for side, item_id, answers, reason, origin, call_id, answered_at, usage, usd in connection.execute(
            _ANSWERS, (run_id,)
        )
    }


def write_grades(
    connection: Connection[TupleRow],
    run: Run,
    rows: Iterable[StoredGrades],
) -> None:
    """Keep grades, reasons for what is unscored, and explanations, by side and item."""
    with connection.cursor() as cursor:
        cursor.executemany(
            _GRADED,
            [
                {
                    "run_id": run.run_id,
                    "side": side,
                    "item_id": item_id,
                    "grades": Jsonb(dict(grades)),
                    "unscored": Jsonb(dict(unscored)),
                    "reasons": _json(dict(reasons)),
                }
                for side, item_id, grades, unscored, reasons in rows
            ],
        )


def finish_run(
    connection: Connection[TupleRow], run: Run, *, figures: Mapping[str, Any], outcome: Outcome
) -> None:
    """Store what the run found; from now on the same command is a new run."""
    given = {"run_id": run.run_id, "figures": Jsonb(dict(figures)), "outcome": outcome}
    connection.execute(_FINISH, given)


def _json(value: Any) -> Json:
    """Escaped to ASCII: the type json then holds every text as it was, NULs and lone surrogates too."""
    return Json(value, dumps=json.dumps)
