"""Judging golden sets anew, once a UTC day: what has moved since the first day is the judge's doing."""

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.calibration.drift import Drift, drift
from ingest.access.secrets import Missing, read_secret
from orchestration.calibration.calibrations import known
from orchestration.calibration.golden_items import GoldenError, list_sets, read_items
from orchestration.judging.judges import Judge, JudgeError, list_judges, register_judge
from orchestration.judging.landing import Asker, judge_call_id, land_judge_calls

if TYPE_CHECKING:
    from evaluators.judging.asking import Judgement
    from evaluators.judging.items import JudgeItem

# An answer that may come out otherwise is no score of the day: it is asked again by the next run.
SCORED: LiteralString = """
select content_hash from evaluation.golden_scores
where golden_set = %s and evaluator_version_id = %s and day = %s
    and coalesce(unscored_reason, '') not in ('error', 'parse_error')
"""

PUT: LiteralString = """
insert into evaluation.golden_scores as held (
    golden_set, content_hash, evaluator_version_id, day, value, label, explanation, unscored_reason,
    judge_model, judge_call_id
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (golden_set, content_hash, evaluator_version_id, day) do update set
    value = excluded.value,
    label = excluded.label,
    explanation = excluded.explanation,
    unscored_reason = excluded.unscored_reason,
    judge_model = excluded.judge_model,
    judge_call_id = excluded.judge_call_id,
    judged_at = now()
where held.unscored_reason in ('error', 'parse_error')
"""

BASELINE: LiteralString = """
select min(day) from evaluation.golden_scores
where golden_set = %s and evaluator_version_id = %s and value is not null
"""

BOTH: LiteralString = """
select old.value::float8, new.value::float8, new.judge_model
from evaluation.golden_scores as new
inner join evaluation.golden_scores as old using (golden_set, content_hash, evaluator_version_id)
where new.golden_set = %s and new.evaluator_version_id = %s and new.day = %s and old.day = %s
    and new.value is not null and old.value is not null
order by content_hash
"""

PUT_DRIFT: LiteralString = """
insert into evaluation.golden_drift (
    golden_set, evaluator_version_id, day, baseline_day, n, shift, shift_low, shift_high, flips, flips_low,
    flips_high, judge_models, is_drift
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (golden_set, evaluator_version_id, day) do update set
    baseline_day = excluded.baseline_day,
    n = excluded.n,
    shift = excluded.shift,
    shift_low = excluded.shift_low,
    shift_high = excluded.shift_high,
    flips = excluded.flips,
    flips_low = excluded.flips_low,
    flips_high = excluded.flips_high,
    judge_models = excluded.judge_models,
    is_drift = excluded.is_drift
"""


@dataclass(frozen=True, slots=True)
class GoldenRun:
    """What a run did for one set and judge: questions asked now, and the drift against `baseline_day`."""

    golden_set: str
    judge: str
    evaluator_version_id: int
    n_items: int
    n_asked: int
    baseline_day: date | None
    drift: Drift


def run_golden_sets(
    connection: Connection[TupleRow], *, golden_set: str | None = None, now: datetime | None = None
) -> list[GoldenRun]:
    """Ask every enabled judge about every item that today lacks a score of, and measure the drift.

    The second run of a day asks nothing, and two at once take turns. Every exchange lands as a judge's call,
    with its price. Raises GoldenError where judges cannot be asked, after all others have been; what was
    answered is kept. The connection must be outside a transaction.
    """
    from evaluators.judging.rubrics import RubricError

    day = (now or datetime.now(UTC)).date()
    names = [one.name for one in list_sets(connection) if one.n_items and golden_set in (None, one.name)]
    runs, problems = list[GoldenRun](), list[str]()
    for judge in list_judges(connection, only_enabled=True):
        with _turn_of(connection, judge):
            try:
                registered = register_judge(connection, judge)
                runs += [_run(connection, name, registered, day=day) for name in names]
            except (GoldenError, JudgeError, RubricError) as error:
                problems.append(" ".join(str(error).split()))
    if problems:
        raise GoldenError("; ".join(problems))
    return runs


def measure_drift(
    connection: Connection[TupleRow], golden_set: str, evaluator_version_id: int, *, day: date
) -> tuple[date | None, Drift]:
    """The day's scores against the first day's of this version; stored in `evaluation.golden_drift`."""
    key = (golden_set, evaluator_version_id)
    with connection.transaction():
        first = connection.execute(BASELINE, key).fetchone()
        baseline = None if first is None else first[0]
        if baseline is None:
            return None, drift([], [])
        rows = connection.execute(BOTH, (*key, day, baseline)).fetchall()
        found = drift([row[0] for row in rows], [row[1] for row in rows])
        if rows:
            models = sorted({row[2] for row in rows})
            connection.execute(
                PUT_DRIFT, (*key, day, baseline, found.n, *_ends(found), models, found.is_drift)
            )
    return baseline, found


@contextmanager
def _turn_of(connection: Connection[TupleRow], judge: Judge) -> Generator[None]:
    """A session's lock, which ends with the process: two runs would ask, and pay, for the same items."""
    key = f"golden:{judge.judge}"
    with connection.transaction():
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (key,))
    try:
        yield
    finally:
        if not connection.closed:
            with connection.transaction():
                connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (key,))


def _run(connection: Connection[TupleRow], golden_set: str, judge: Judge, *, day: date) -> GoldenRun:
    version = judge.evaluator_version_id
    assert version is not None
    items = [one.item for one in read_items(connection, golden_set)]
    with connection.transaction():
        done = {row[0] for row in connection.execute(SCORED, (golden_set, version, day))}
    waiting = [item for item in items if item.content_hash not in done]
    if waiting:
        _ask(connection, golden_set, judge, waiting, day=day)
    baseline, found = measure_drift(connection, golden_set, version, day=day)
    return GoldenRun(golden_set, judge.judge, version, len(items), len(waiting), baseline, found)


def _ask(
    connection: Connection[TupleRow],
    golden_set: str,
    judge: Judge,
    items: Sequence["JudgeItem"],
    *,
    day: date,
) -> None:
    from evaluators.judging.client import EndpointError, open_client
    from evaluators.judging.running import run

    secret = None if judge.secret_ref is None else read_secret(judge.secret_ref)
    if isinstance(secret, Missing):
        raise GoldenError(f"judge {judge.judge}: {secret.reason}")
    key = None if secret is None else secret.value
    asker = Asker(judge=judge.judge, provider=judge.provider, model=judge.model)

    async def on_done(judgement: "Judgement") -> None:
        # Written at once: a killed run has lost what was in flight and nothing else.
        _keep(connection, golden_set, judge, judgement, asker=asker, day=day)

    async def ask_all() -> None:
        async with open_client(base_url=judge.base_url, api_key=key) as client:
            await run(
                _each(items), spec=judge.spec, client=client, concurrency=judge.concurrency, on_done=on_done
            )

    try:
        asyncio.run(ask_all())
    except EndpointError as error:
        raise GoldenError(f"judge {judge.judge}: {error}") from error


def _keep(
    connection: Connection[TupleRow],
    golden_set: str,
    judge: Judge,
    judgement: "Judgement",
    *,
    asker: Asker,
    day: date,
) -> None:
    row = (
        golden_set,
        judgement.content_hash,
        judge.evaluator_version_id,
        day,
        judgement.value,
        judgement.label,
        judgement.explanation,
        judgement.unscored_reason,
        judgement.judge_model,
        judge_call_id(judgement),
    )
    if judgement.asked_at is not None:
        month = judgement.asked_at.date().replace(day=1)
        with connection.transaction():
            connection.execute("select ingest.ensure_month(%s)", (month,))
    with connection.transaction():
        connection.execute(PUT, row)
        land_judge_calls(connection, [judgement], asker=asker)


async def _each(items: Sequence["JudgeItem"]) -> AsyncIterator["JudgeItem"]:
    for item in items:
        yield item


def _ends(found: Drift) -> tuple[float | None, ...]:
    shift, flips = found.shift, found.flips
    values = (shift.value, shift.low, shift.high, flips.value, flips.low, flips.high)
    return tuple(known(value) for value in values)
