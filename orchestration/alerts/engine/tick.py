"""One evaluation of all rules: read and judge each by itself, then write what changed at once."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import LiteralString

import msgspec
import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule, SqlMetric
from orchestration.alerts.delivery.text import one_line
from orchestration.alerts.engine.conditions.statistical import ConditionError
from orchestration.alerts.engine.own_rules import ALERT_RULES, OWN_RULES
from orchestration.alerts.engine.rule_reading import RuleReading, from_verdicts, read_rule
from orchestration.alerts.engine.settle import settle
from orchestration.alerts.engine.store import Held, open_rules, read_states
from orchestration.alerts.engine.transition import Transition
from orchestration.alerts.engine.verdict import Verdict
from orchestration.alerts.reading.types import Group, ReadingError

# A refresh takes a minute or two and an import some more; marks older than that say that refreshes fail.
LONGEST_REFRESH = timedelta(minutes=30)
LONGEST_WINDOW = timedelta(days=35)
STALE: LiteralString = """
select distinct hour from raw.dirty_hours
where hour >= %s and hour < %s and changed_at < %s
order by hour
"""
IS_MODELLED: LiteralString = "select to_regclass('marts.calls') is not null"
OUT_OF_TIME = "not evaluated: the rules before it took all the time of this evaluation"
ENDED = "the rule is not in force any more"


@dataclass(slots=True)
class Tick:
    """What one evaluation found. `silenced`: what a gate kept from being told; `errors`: by rule, a line."""

    transitions: list[Transition] = field(default_factory=list[Transition])
    silenced: list[str] = field(default_factory=list[str])
    errors: dict[str, str] = field(default_factory=dict[str, str])


def evaluate_alerts(
    connection: psycopg.Connection[TupleRow], *, rules: Sequence[Rule], now: datetime
) -> list[Transition]:
    """Evaluate the rules on the marts as of `now` (aware); write states, events and outbox at once.

    A moment at or before what was written of a group changes nothing of it, so replays are safe. While the
    marts are behind, a group without rows is no news.
    """
    return tick(connection, rules=rules, now=now).transitions


def tick(
    connection: psycopg.Connection[TupleRow],
    *,
    rules: Sequence[Rule],
    now: datetime,
    problems: Mapping[str, str] | None = None,
    limit_seconds: float | None = None,
) -> Tick:
    """The same, with what was not told. A rule that cannot be evaluated stops no other: it is an alert of
    rule `alert_rules`, as are `problems` (a file, and what is wrong with it in one line).

    Past `limit_seconds` no further rule is read; queries of users come last, so that they delay no others.
    """
    found = Tick(errors=dict(problems or {}))
    deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
    in_force = sorted((rule for rule in rules if rule.enabled), key=_is_slow)
    with connection.transaction():
        states = read_states(connection, [rule.name for rule in in_force])
        is_modelled = connection.execute(IS_MODELLED).fetchone() == (True,)
    readings: list[RuleReading] = []
    for rule in in_force:
        try:
            if deadline is not None and time.monotonic() > deadline:
                raise ReadingError(OUT_OF_TIME)
            reading = read_rule(connection, rule, now=now, held=states[rule.name])
        except (ReadingError, ConditionError) as error:
            # Before the first refresh there is no mart; that is no fault of the rule.
            if is_modelled or not isinstance(error.__cause__, psycopg.errors.UndefinedTable):
                found.errors[rule.name] = " ".join(str(error).split())
            continue
        except Exception as error:
            # A fault of ours (a figure that no double holds, say) in one rule must not end the others.
            if connection.closed:
                raise
            found.errors[rule.name] = one_line(f"{type(error).__name__}: {error}", most=300)
            continue
        if reading is not None:
            readings.append(reading)
            found.silenced += reading.silenced
    errors = _errors(found.errors, evaluated=in_force, now=now)
    found.transitions = settle(connection, [*readings, errors], now=now, stale=_stale(connection, now=now))
    return found


def end_retired(
    connection: psycopg.Connection[TupleRow], *, rules: Sequence[Rule], now: datetime
) -> list[Transition]:
    """Resolve what fires of rules that are not among `rules`: all that are in force."""
    known = {rule.name for rule in (*rules, *OWN_RULES) if rule.enabled}
    with connection.transaction():
        names = sorted(open_rules(connection, sources=["engine"]) - known)
        states = read_states(connection, names)
    return settle(connection, [_ending(name, states[name], now=now) for name in names], now=now)


def _errors(errors: Mapping[str, str], *, evaluated: Sequence[Rule], now: datetime) -> RuleReading:
    """A rule that works again is clear of its error; one that is not in force any more is absent."""
    verdicts: dict[Group, Verdict] = {
        (("rule", rule.name),): Verdict("clear", reason="works again") for rule in evaluated
    }
    verdicts |= {(("rule", name),): Verdict("breach", reason=error) for name, error in errors.items()}
    return from_verdicts(ALERT_RULES, verdicts, (now - timedelta(minutes=1), now))


def _ending(name: str, states: Mapping[str, Held], *, now: datetime) -> RuleReading:
    """What is left of a rule whose text is gone: the end of what fires, told to whom it was told to."""
    [one, *_] = states.values()
    rule = msgspec.structs.replace(
        ALERT_RULES,
        name=name,
        summary="A rule that is not in force any more",
        why=ENDED,
        severity=one.severity,
        owner=one.owner,
        labels=one.labels,
        keep_firing=None,
    )
    places = {
        key: (tuple(held.dimensions.items()), index) for index, (key, held) in enumerate(states.items())
    }
    verdicts = [Verdict("clear", reason=ENDED)] * len(states)
    return RuleReading(rule, (now - timedelta(minutes=1), now), places, verdicts)


def _stale(connection: psycopg.Connection[TupleRow], *, now: datetime) -> list[datetime]:
    """The hours of the last weeks that wait for a refresh for longer than one takes."""
    with connection.transaction():
        rows = connection.execute(STALE, (now - LONGEST_WINDOW, now, now - LONGEST_REFRESH)).fetchall()
    return [row[0] for row in rows]


def _is_slow(rule: Rule) -> bool:
    return isinstance(rule.metric, SqlMetric)
