"""A rule read and judged as of a moment, before anything is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import BuiltInMetric, Rule
from orchestration.alerts.engine.built_in.catalogue import BUILT_INS, WORDS
from orchestration.alerts.engine.conditions.figures import figures_of
from orchestration.alerts.engine.conditions.judge import judge
from orchestration.alerts.engine.conditions.windows import windows_of
from orchestration.alerts.engine.groups import group_key
from orchestration.alerts.engine.store import Held
from orchestration.alerts.engine.transition import Source
from orchestration.alerts.engine.verdict import ABSENT, OUTCOMES, Verdict, Verdicts
from orchestration.alerts.reading.guard import bounded
from orchestration.alerts.reading.read import read_windows
from orchestration.alerts.reading.types import Group, Sums, Window

BREACH = OUTCOMES.index("breach")


@dataclass(frozen=True, slots=True)
class RuleReading:
    """A rule's verdicts; `window` is what its data lies in, `silenced` what a gate kept from being told.

    Only groups in breach and those that have a state are ever looked at one by one.
    """

    rule: Rule
    window: Window
    places: Mapping[str, tuple[Group, int]]
    verdicts: Verdicts | Sequence[Verdict]
    sums: Sequence[Sums | None] = ()
    silenced: Sequence[str] = ()
    source: Source = "engine"
    links: Mapping[str, str] = field(default_factory=dict[str, str])

    def breaching(self) -> Iterable[str]:
        """The groups (as text) that are in breach."""
        if isinstance(self.verdicts, Verdicts):
            found = set(np.flatnonzero(self.verdicts.outcomes == BREACH).tolist())
        else:
            found = {index for index, one in enumerate(self.verdicts) if one.outcome == "breach"}
        return [key for key, (_, index) in self.places.items() if index in found]

    def verdict(self, key: str) -> Verdict:
        """One group's verdict; absent where nothing was read of it."""
        place = self.places.get(key)
        if place is None:
            return ABSENT
        index = place[1]
        return self.verdicts.at(index) if isinstance(self.verdicts, Verdicts) else self.verdicts[index]

    def told(self, key: str, verdict: Verdict) -> str | None:
        """Words of the metric's own, where it has some."""
        metric, place = self.rule.metric, self.places.get(key)
        words = WORDS.get(metric.name) if isinstance(metric, BuiltInMetric) else None
        if words is None or place is None or not self.sums or verdict.value is None:
            return None
        sums = self.sums[place[1]]
        return None if sums is None else words(self.rule, verdict, sums)


def read_rule(
    connection: psycopg.Connection[TupleRow], rule: Rule, *, now: datetime, held: Mapping[str, Held]
) -> RuleReading | None:
    """The rule's verdicts as of `now`; None where there is nothing to read yet.

    Raises ReadingError or ConditionError, in one line, for a rule that cannot be evaluated.
    """
    if isinstance(rule.metric, BuiltInMetric) and (built_in := BUILT_INS.get(rule.metric.name)):
        with bounded(connection):
            found = built_in(connection, rule, now=now, held=held)
        return None if found is None else from_verdicts(rule, found.verdicts, found.window, found.silenced)
    windows = windows_of(rule, now=now)
    read = read_windows(connection, rule, windows=windows)
    groups = groups_of(rule, read)
    verdicts = judge(rule, [figures_of(rule, one, groups=groups) for one in read])
    places = {group_key(group): (group, index) for index, group in enumerate(groups)}
    return RuleReading(rule, windows[0], places, verdicts, [read[0].get(group) for group in groups])


def from_verdicts(
    rule: Rule,
    verdicts: Mapping[Group, Verdict],
    window: Window,
    silenced: Sequence[str] = (),
    *,
    source: Source = "engine",
    links: Mapping[str, str] | None = None,
) -> RuleReading:
    """Verdicts that were made one by one; their groups' text is that of the values alone."""
    places = {group_key(group, is_bare=True): (group, index) for index, group in enumerate(verdicts)}
    return RuleReading(
        rule, window, places, list(verdicts.values()), silenced=silenced, source=source, links=links or {}
    )


def groups_of(rule: Rule, windows: Iterable[Mapping[Group, Sums]]) -> list[Group]:
    """The groups of any window, in order; a rule without a group-by has its one group, even without rows."""
    found = {group for window in windows for group in window}
    if not rule.group_by:
        found.add(())
    return sorted(found)
