"""`backtest`: a rule over the past, by the same conditions and the same state machine as live."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.engine.backtest.grid import grid_of
from orchestration.alerts.engine.backtest.null import n_runs, null_series
from orchestration.alerts.engine.backtest.replay import firings
from orchestration.alerts.engine.backtest.result import WEEK, Backtest, Firing, NullFirings
from orchestration.alerts.engine.conditions.figures import kind_of
from orchestration.alerts.engine.conditions.windows import length_of, reach_of
from orchestration.alerts.engine.groups import group_key
from orchestration.alerts.engine.rule_reading import read_rule
from orchestration.alerts.engine.series import Totals, totals_of
from orchestration.alerts.engine.settle import moves_of
from orchestration.alerts.engine.store import Held
from orchestration.alerts.engine.verdict import Bools
from orchestration.alerts.reading.read import has_series, read_series

HOUR = timedelta(hours=1)
# A metric that is read moment by moment costs a query or more each time.
SLOW_STEP = timedelta(hours=6)
# Whoever asks waits for it; no tick does.
PATIENCE_SECONDS = 600
SHORT, LONG = timedelta(hours=1), timedelta(hours=6)


def backtest(
    connection: psycopg.Connection[TupleRow],
    rule: Rule,
    *,
    start: datetime,
    end: datetime,
    step: timedelta | None = None,
    seed: int = 7,
) -> Backtest:
    """The alerts that the rule would have made from `start` to `end` (aware), evaluated every `step`.

    By default every hour (or day, where the mart has days), every six hours where each moment must be read by
    itself. What lands late is taken as if it had been there in time; quiet hours, silences and gates of today
    apply as they are. Raises ReadingError or ConditionError as a live evaluation does.
    """
    if not has_series(rule):
        return _moment_by_moment(connection, rule, start=start, end=end, step=step or SLOW_STEP)
    reach = max(reach_of(rule, now=moment) for moment in (start, end))
    series = read_series(connection, rule, start=start - reach, end=end, seconds=PATIENCE_SECONDS)
    totals = totals_of(series)
    pace = step or totals.step
    moments = moments_of(start, end, step=pace)
    names = [group_key(group) for group in totals.groups]
    found = firings(rule, grid_of(rule, totals, moments=moments), moments=moments, names=names)
    left_out = _long_alerts(rule, totals, found, end=end)
    null = _null(rule, totals, left_out, moments=moments, weeks=(end - start) / WEEK, seed=seed)
    return Backtest(
        rule.name, start, end, pace, len(moments), len(names), tuple(found), null, max(SHORT, pace)
    )


def moments_of(start: datetime, end: datetime, *, step: timedelta) -> list[datetime]:
    """Every `step` up to `end`, on whole hours (UTC) where the step is of hours."""
    first = start.astimezone(UTC)
    if step >= HOUR:
        first = first.replace(minute=0, second=0, microsecond=0)
    n_steps = int((end - first) / step)
    return [first + number * step for number in range(1, n_steps + 1)]


def _null(
    rule: Rule, totals: Totals, left_out: Bools, *, moments: Sequence[datetime], weeks: float, seed: int
) -> NullFirings | None:
    """The rule on series in which nothing changes."""
    generator = np.random.default_rng(seed)
    runs, n_false, method = n_runs(totals), 0, ""
    if not totals.places:
        return None
    names = [group_key(group) for group in totals.groups]
    for _ in range(runs):
        drawn = null_series(kind_of(rule), totals, seed=generator, left_out=left_out)
        if drawn is None:
            return None
        method, series = drawn
        n_false += len(firings(rule, grid_of(rule, series, moments=moments), moments=moments, names=names))
    return NullFirings(method, runs, n_false / runs / weeks)


def _long_alerts(rule: Rule, totals: Totals, found: Sequence[Firing], *, end: datetime) -> Bools:
    """Steps × groups: what lay in the window of an alert that lasted for two windows or more."""
    window = length_of(rule)
    columns = {group_key(group): column for group, column in totals.places.items()}
    is_long = np.zeros((len(totals.starts), len(totals.places)), dtype=np.bool_)
    for one in found:
        if one.lasted(until=end) >= max(LONG, 2 * window):
            first = bisect_left(totals.starts, one.fired_at - window)
            last = bisect_left(totals.starts, one.resolved_at or end)
            is_long[first:last, columns[one.group]] = True
    return is_long


def _moment_by_moment(
    connection: psycopg.Connection[TupleRow], rule: Rule, *, start: datetime, end: datetime, step: timedelta
) -> Backtest:
    """The live reading and machine at each moment, its states in memory alone."""
    moments = moments_of(start, end, step=step)
    states: dict[str, Held] = {}
    open_ones: dict[str, Firing] = {}
    found: list[Firing] = []
    seen: set[str] = set()
    for moment in moments:
        reading = read_rule(connection, rule, now=moment, held=states)
        if reading is None:
            continue
        seen |= reading.places.keys()
        for move in moves_of(reading, states, now=moment, is_behind=False):
            row, held = move.row, move.row.group
            states[held] = Held(row.memory, row.dimensions, row.baseline, row.event_id, row.held_until)
            if move.transition is None:
                continue
            if move.transition.transition == "firing":
                open_ones[held] = Firing(
                    held, moment, None, row.value, row.value, row.threshold, row.baseline, row.n,
                    row.details.get("q"),
                )  # fmt: skip
            elif (begun := open_ones.pop(held, None)) is not None:
                found.append(_ended(begun, moment, row.value))
    ordered = sorted([*found, *open_ones.values()], key=lambda one: (one.fired_at, one.group))
    return Backtest(
        rule.name, start, end, step, len(moments), len(seen), tuple(ordered), None, max(SHORT, step)
    )


def _ended(begun: Firing, at: datetime, value: float | None) -> Firing:
    return replace(begun, resolved_at=at, last=value)
