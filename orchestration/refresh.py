"""The light refresh: from dirty hours to fresh marts, touching nothing else."""

from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES
from ingest.settings import DEFAULT_START
from orchestration.closing import reopen_changed
from orchestration.cost.charging import ChargeResult, charge_corrected, charge_window
from orchestration.dirty import DirtyMark, clear, clear_before, dirty_windows, result_marks, snapshot
from orchestration.held import held_hours, hold, release
from orchestration.modelling import Modelled, RunDbt, model_hours
from orchestration.rules.scoring import ScoreResult, score_window
from orchestration.windows import HOUR, Window, day_window, hour_window, merge

# Two days of hours: a run stays short, and what is older follows newest first, run by run.
LIMIT_HOURS = 48


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """What a refresh did: the marts hold what `windows` had. dbt fails on the `held` hours; they stay dirty
    and wait. `n_ignored` marks lay before the first day and were dropped; `reopened` days had been closed."""

    windows: tuple[Window, ...] = ()
    scores: ScoreResult | None = None
    charges: ChargeResult | None = None
    repriced: ChargeResult | None = None
    n_cleared: int = 0
    n_ignored: int = 0
    reopened: tuple[date, ...] = ()
    held: tuple[datetime, ...] = ()


def light_refresh(
    connection: Connection[TupleRow],
    *,
    run_dbt: RunDbt,
    rules: Sequence[Rule] = RULES,
    limit_hours: int = LIMIT_HOURS,
    start: date = DEFAULT_START,
    now: datetime | None = None,
) -> RefreshResult:
    """Score, charge and model the newest dirty hours; then clear exactly the marks whose rows dbt has read.

    Marks go last: whatever fails or is killed before leaves them for the next run, and every step only adds
    what is missing. Two refreshes at once do the same work in turn. `run_dbt` must have committed when it
    returns. An hour on which it raises DbtError is held, the others go on; where it fails on every window,
    the error is raised. Nothing dirty: nothing is run.
    """
    n_ignored = clear_before(connection, start=start)
    release(connection)
    held = held_hours(connection, now=now or datetime.now(UTC))
    wait = [hour for hour, is_due in held.items() if not is_due]
    marks = snapshot(connection, limit_hours=limit_hours, start=start, now=now, without=wait)
    windows = dirty_windows(marks)
    if not windows:
        return RefreshResult(n_ignored=n_ignored)
    reopened = reopen_changed(connection, marks)
    scores = score_window(connection, windows, rules=rules)
    repriced = _charge_corrected(connection, [mark for mark in marks if mark.stage == "prices"])
    charges = charge_window(connection, windows)
    seen = {*marks, *result_marks(connection, windows)}
    n_cleared, done, bad = 0, list[datetime](), list[datetime]()
    for part in _model(seen, again=held.keys(), run_dbt=run_dbt, start=start):
        if part.error is not None:
            hold(connection, part.hours[0], error=part.error)
            bad += part.hours
            continue
        n_cleared += clear(connection, [mark for mark in seen if mark.hour in part.hours])
        release(connection, part.hours)
        done += part.hours
    return RefreshResult(
        windows=tuple(merge(hour_window(hour) for hour in done)),
        scores=scores,
        charges=charges,
        repriced=repriced,
        n_cleared=n_cleared,
        n_ignored=n_ignored,
        reopened=tuple(reopened),
        held=tuple(bad),
    )


def _charge_corrected(connection: Connection[TupleRow], marks: Sequence[DirtyMark]) -> ChargeResult:
    """Each mark was set in the transaction that changed the prices, and bears the time at which it began."""
    if not marks:
        return ChargeResult()
    return charge_corrected(connection, dirty_windows(marks), since=min(mark.changed_at for mark in marks))


def _model(
    marks: Collection[DirtyMark], *, again: Set[datetime], run_dbt: RunDbt, start: date
) -> Iterator[Modelled]:
    """dbt over the marked hours; those that were held before, by themselves and last."""
    hours = {mark.hour for mark in marks}
    before_all = Window(day_window(start).start - HOUR, day_window(start).start)
    yield from model_hours([*hours - again], run_dbt=run_dbt, empty=before_all)
    yield from model_hours([*hours & again], run_dbt=run_dbt, empty=before_all)
