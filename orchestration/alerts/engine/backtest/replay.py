"""The live state machine over arrays of verdicts, stepped only where anything can change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

import numpy as np

from orchestration.alerts.definition.model import Drop, Rule
from orchestration.alerts.engine.backtest.result import Firing
from orchestration.alerts.engine.conditions.judge import LONGEST_BASELINE, held_codes
from orchestration.alerts.engine.machine import Memory, Policy, policy_of, step
from orchestration.alerts.engine.verdict import OUTCOMES, Codes, Verdict
from orchestration.alerts.reading.types import Floats

_ABSENT, _BREACH = OUTCOMES.index("absent"), OUTCOMES.index("breach")
# While one of these lasts, what fires goes on, and only the time of its last breach moves.
_GOING_ON = [OUTCOMES.index(name) for name in ("breach", "holding", "too_few")]
_RENEWING = [OUTCOMES.index(name) for name in ("breach", "holding")]


@dataclass(frozen=True, slots=True)
class Grid:
    """Verdicts as arrays of moments × groups; NaN: there is none."""

    codes: Codes
    value: Floats
    threshold: Floats
    baseline: Floats
    n: Floats
    q: Floats


def firings(rule: Rule, grid: Grid, *, moments: Sequence[datetime], names: Sequence[str]) -> list[Firing]:
    """Every alert that the verdicts make, in the order in which they begin."""
    policy = policy_of(rule)
    begins = grid.codes == _BREACH
    if policy.no_data == "fire":
        begins |= grid.codes == _ABSENT
    found = [
        firing
        for column in np.flatnonzero(begins.any(axis=0)).tolist()
        for firing in _Replay(rule, policy, grid, column, moments, names[column], begins[:, column]).run()
    ]
    return sorted(found, key=lambda one: (one.fired_at, one.group))


@dataclass(slots=True)
class _Replay:
    """One group's column."""

    rule: Rule
    policy: Policy
    grid: Grid
    column: int
    moments: Sequence[datetime]
    name: str
    begins: np.ndarray

    def run(self) -> Iterator[Firing]:
        codes = self.grid.codes[:, self.column]
        index, memory, begun = 0, None, 0
        while index < len(codes):
            is_idle = memory is None or memory.state == "resolved"
            if is_idle:
                # Nothing can happen before the next breach.
                ahead = np.flatnonzero(self.begins[index:])
                if not len(ahead):
                    return
                index += int(ahead[0])
            after = self._step(codes, index, memory)
            memory = after[0] or memory
            if after[1] == "firing" and memory is not None:
                begun, codes = index, self._held(codes, index)
                index, memory = self._last_renewal(codes, index, memory)
            elif after[1] == "resolved":
                yield self._firing(begun, index)
                codes = self.grid.codes[:, self.column]
            index += 1
        if memory is not None and memory.state == "firing":
            yield self._firing(begun, None)

    def _step(self, codes: Codes, index: int, memory: Memory | None) -> tuple[Memory | None, str | None]:
        verdict = Verdict(OUTCOMES[int(codes[index])])
        after = step(self.policy, verdict, memory=memory, now=self.moments[index])
        return (None, None) if after is None else (after.memory, after.transition)

    def _last_renewal(self, codes: Codes, index: int, memory: Memory) -> tuple[int, Memory]:
        """Pass over the moments in which it only goes on, to the last of them."""
        others = np.flatnonzero(~np.isin(codes[index + 1 :], _GOING_ON))
        end = index + int(others[0]) if len(others) else len(codes) - 1
        renewals = np.flatnonzero(np.isin(codes[index + 1 : end + 1], _RENEWING))
        last = index + 1 + int(renewals[-1]) if len(renewals) else index
        for moment in sorted({last, end}):
            if moment > index:
                memory = self._step(codes, moment, memory)[0] or memory
        return end, memory

    def _held(self, codes: Codes, index: int) -> Codes:
        """The outcomes while it fires: a drop is compared with what was before it began."""
        condition, baseline = self.rule.condition, float(self.grid.baseline[index, self.column])
        if not isinstance(condition, Drop) or not isfinite(baseline):
            return codes
        held = held_codes(condition, self.grid.value[:, self.column], codes, baseline=baseline)
        last = self.moments[index] + LONGEST_BASELINE
        is_fresh = np.array([moment <= last for moment in self.moments])
        return np.where(is_fresh, held, codes)

    def _firing(self, begun: int, ended: int | None) -> Firing:
        def figure(values: Floats, index: int) -> float | None:
            found = float(values[index, self.column])
            return found if isfinite(found) else None

        grid = self.grid
        return Firing(
            group=self.name,
            fired_at=self.moments[begun],
            resolved_at=None if ended is None else self.moments[ended],
            value=figure(grid.value, begun),
            last=figure(grid.value, len(self.moments) - 1 if ended is None else ended),
            threshold=figure(grid.threshold, begun),
            baseline=figure(grid.baseline, begun),
            n=int(grid.n[begun, self.column]),
            q=figure(grid.q, begun),
        )
