"""The light refresh: from dirty hours to fresh marts, touching nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES
from ingest.settings import DEFAULT_START
from orchestration.charging import ChargeResult, charge_window
from orchestration.closing import reopen_changed
from orchestration.dirty import clear, clear_before, dirty_windows, result_marks, snapshot
from orchestration.scoring import ScoreResult, score_window
from orchestration.windows import Window

# Two days of hours: a run stays short, and what is older follows newest first, run by run.
LIMIT_HOURS = 48


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """What a refresh did to `windows`. `n_ignored` marks lay before the first day and were dropped;
    `reopened` days had been closed."""

    windows: tuple[Window, ...] = ()
    scores: ScoreResult | None = None
    charges: ChargeResult | None = None
    repriced: ChargeResult | None = None
    n_cleared: int = 0
    n_ignored: int = 0
    reopened: tuple[date, ...] = ()


def light_refresh(
    connection: Connection[TupleRow],
    *,
    run_dbt: Callable[[Sequence[Window]], None],
    rules: Sequence[Rule] = RULES,
    limit_hours: int = LIMIT_HOURS,
    start: date = DEFAULT_START,
    now: datetime | None = None,
) -> RefreshResult:
    """Score, charge and model the newest dirty hours; then clear exactly the marks whose rows dbt has read.

    Marks go last: whatever fails or is killed before leaves them for the next run, and every step only adds
    what is missing. Two refreshes at once do the same work in turn. `run_dbt` must have committed when it
    returns. Nothing dirty: nothing is run.
    """
    n_ignored = clear_before(connection, start=start)
    marks = snapshot(connection, limit_hours=limit_hours, start=start, now=now)
    windows = dirty_windows(marks)
    if not windows:
        return RefreshResult(n_ignored=n_ignored)
    reopened = reopen_changed(connection, marks)
    scores = score_window(connection, windows, rules=rules)
    corrected = dirty_windows(mark for mark in marks if mark.stage == "prices")
    repriced = charge_window(connection, corrected, reprice=True)
    charges = charge_window(connection, windows)
    own = result_marks(connection, windows)
    run_dbt(windows)
    return RefreshResult(
        windows=tuple(windows),
        scores=scores,
        charges=charges,
        repriced=repriced,
        n_cleared=clear(connection, list({*marks, *own})),
        n_ignored=n_ignored,
        reopened=tuple(reopened),
    )
