"""What verdicts write: states, events and messages, once, whoever comes, whatever a group is called."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, cast

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.definition.model import BuiltInMetric, QuietHours, Rule, SqlMetric
from orchestration.alerts.engine.built_in.catalogue import BUILT_INS
from orchestration.alerts.engine.groups import LONGEST_KEY, fingerprint, group_key
from orchestration.alerts.engine.rule_reading import RuleReading, from_verdicts
from orchestration.alerts.engine.settle import settle
from orchestration.alerts.engine.tick import end_retired, evaluate_alerts, tick
from orchestration.alerts.engine.transition import Transition
from orchestration.alerts.engine.verdict import Verdict
from tests.orchestration.alerts.written_rules import own_rule, rule

Connection = psycopg.Connection[TupleRow]
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BREACH = Verdict("breach", value=0.4, threshold=0.05, baseline=0.02, low=0.3, high=0.5, q=0.001, n=120)
CLEAR = Verdict("clear", value=0.01, threshold=0.05, n=130)


@pytest.fixture
def connection(rolled_back: Connection) -> Connection:
    return rolled_back


def say(
    connection: Connection,
    verdicts: Mapping[str, Verdict],
    *,
    at: datetime = NOON,
    of: Rule | None = None,
    stale: tuple[datetime, ...] = (),
) -> list[Transition]:
    """Settle these verdicts of models."""
    groups = {(("model", name),): verdict for name, verdict in verdicts.items()}
    reading = from_verdicts(of or own_rule(), groups, (at - HOUR, at))
    return settle(connection, [reading], now=at, stale=stale)


def rows(connection: Connection, query: Any) -> list[tuple[Any, ...]]:
    with connection.transaction():
        return connection.execute(query).fetchall()


def waiting(connection: Connection) -> list[tuple[Any, ...]]:
    return rows(
        connection,
        "select payload ->> 'transition', next_attempt_at from alerting.outbox order by happened_at",
    )


def test_a_transition_is_a_state_an_event_and_a_message(connection: Connection) -> None:
    [found] = say(connection, {"m": BREACH}, of=own_rule(labels={"team": "search"}, runbook="docs/r.md"))

    [state] = rows(
        connection,
        "select state, fingerprint, dimensions, labels, severity, owner, value, baseline, event_id,"
        " breached_at from alerting.states",
    )
    mark = fingerprint("errors", (("model", "m"),))
    assert state[:6] == ("firing", mark, {"model": "m"}, {"team": "search"}, "critical", "platform")
    assert state[6:] == (0.4, 0.02, found.event_id, NOON)
    [event] = rows(connection, "select transition, since, source, details, dimensions from alerting.events")
    assert event[:3] == ("firing", NOON, "engine")
    assert event[3] == {"baseline": 0.02, "low": 0.3, "high": 0.5, "q": 0.001}
    [(payload,)] = rows(connection, "select payload from alerting.outbox")
    told = {name: payload[name] for name in ("type", "rule", "group", "transition", "runbook", "fingerprint")}
    assert told == {
        **{"type": "alert", "rule": "errors", "group": {"model": "m"}, "transition": "firing"},
        **{"runbook": "docs/r.md", "fingerprint": mark},
    }


def test_the_same_moment_again_writes_nothing(connection: Connection) -> None:
    assert len(say(connection, {"m": BREACH})) == 1
    before = rows(connection, "select ctid, * from alerting.states")
    assert say(connection, {"m": BREACH}) == []
    assert say(connection, {"m": CLEAR}, at=NOON - HOUR) == []
    assert rows(connection, "select ctid, * from alerting.states") == before
    assert len(waiting(connection)) == 1


def test_only_groups_that_matter_are_written(connection: Connection) -> None:
    say(connection, {f"m{number}": CLEAR for number in range(50)} | {"bad": BREACH})
    assert rows(connection, "select group_key from alerting.states") == [("bad",)]
    say(connection, {"bad": CLEAR}, at=NOON + MINUTE)
    resolved = rows(connection, "select ctid, * from alerting.states")
    say(connection, {"bad": CLEAR}, at=NOON + 2 * MINUTE)
    assert rows(connection, "select ctid, * from alerting.states") == resolved


def test_what_begins_at_night_is_told_in_the_morning(connection: Connection) -> None:
    night = QuietHours(start=time(22), end=time(7))
    quiet = own_rule(quiet_hours=night, severity="warning")
    at = datetime(2026, 11, 10, 23, tzinfo=UTC)
    assert len(say(connection, {"m": BREACH}, at=at, of=quiet)) == 1
    morning = datetime(2026, 11, 11, 7, tzinfo=UTC)
    assert rows(connection, "select held_until from alerting.states") == [(morning,)]
    [(_, due)] = waiting(connection)
    assert due >= morning


def test_what_has_ended_by_the_morning_is_told_to_nobody(connection: Connection) -> None:
    quiet = own_rule(quiet_hours=QuietHours(start=time(22), end=time(7)), severity="warning")
    at = datetime(2027, 11, 10, 23, tzinfo=UTC)
    say(connection, {"m": BREACH}, at=at, of=quiet)
    assert [one.transition for one in say(connection, {"m": CLEAR}, at=at + HOUR, of=quiet)] == ["resolved"]
    assert waiting(connection) == []
    assert len(rows(connection, "select from alerting.events")) == 2, "history is complete all the same"


def test_the_end_at_night_of_what_was_told_by_day_waits_for_the_morning(connection: Connection) -> None:
    quiet = own_rule(quiet_hours=QuietHours(start=time(22), end=time(7)), severity="warning")
    at = datetime(2027, 11, 10, 21, tzinfo=UTC)
    say(connection, {"m": BREACH}, at=at, of=quiet)
    say(connection, {"m": CLEAR}, at=at + 2 * HOUR, of=quiet)
    morning = datetime(2027, 11, 11, 7, tzinfo=UTC)
    assert [(said, due >= morning) for said, due in waiting(connection)] == [
        ("firing", False),
        ("resolved", True),
    ]


def test_a_renamed_model_resolves_with_the_reason(connection: Connection) -> None:
    say(connection, {"gpt-4o": BREACH})
    [found] = say(connection, {"gpt-4o-2026": CLEAR}, at=NOON + HOUR)
    assert (found.group, found.transition) == ("gpt-4o", "resolved")
    assert found.message == "gpt-4o: no data any more: gone or renamed"


def test_marts_that_are_behind_end_nothing(connection: Connection) -> None:
    say(connection, {"m": BREACH})
    later = NOON + HOUR
    assert say(connection, {}, at=later, stale=(later - MINUTE,)) == []
    assert len(say(connection, {}, at=later, stale=(later - 3 * HOUR,))) == 1


def test_late_data_says_that_it_had_been_told_to_be_over(connection: Connection) -> None:
    for number, verdict in enumerate((BREACH, CLEAR, BREACH)):
        found = say(connection, {"m": verdict}, at=NOON + number * MINUTE)
    [again] = found
    assert again.details["resolved_before"] == (NOON + MINUTE).isoformat()


@pytest.mark.parametrize(
    "name",
    ["<!channel> *b* `c`", "모델 🦜", "x" * 1_000_000, "a\x1fb\u202ec", "'; drop table alerting.events; --"],
    ids=["markup", "Korean and emoji", "a megabyte", "control characters", "SQL"],
)
def test_a_group_may_be_called_anything(connection: Connection, name: str) -> None:
    [found] = say(connection, {name: BREACH})
    assert len(found.group) <= LONGEST_KEY
    assert say(connection, {name: BREACH}, at=NOON + MINUTE) == []
    [resolved] = say(connection, {name: CLEAR}, at=NOON + 2 * MINUTE)
    assert resolved.fingerprint == found.fingerprint
    assert len(rows(connection, "select from alerting.states")) == 1


def test_names_of_groups() -> None:
    assert group_key(()) == "all"
    assert group_key((("model", "m"), ("user_id", "u"))) == "model=m · user_id=u"
    assert group_key((("model", "x" * 600),)) != group_key((("model", "x" * 601),))
    pair = (("a", "1"), ("b", "2"))
    assert (
        fingerprint("r", pair) == fingerprint("r", pair[::-1]) != fingerprint("r", (("a", "12"), ("b", "")))
    )


def test_a_rule_that_names_its_groups_in_another_order_goes_on(connection: Connection) -> None:
    pair = (("provider", "p"), ("model", "m"))

    def settled(group: tuple[tuple[str, str], ...], verdict: Verdict, at: datetime) -> list[str]:
        places = {group_key(group): (group, 0)}
        reading = RuleReading(own_rule(), (at - HOUR, at), places, [verdict])
        return [f"{one.transition} {one.group}" for one in settle(connection, [reading], now=at)]

    assert settled(pair, BREACH, NOON) == ["firing provider=p · model=m"]
    assert settled(pair[::-1], BREACH, NOON + MINUTE) == []
    assert rows(connection, "select group_key, state, since from alerting.states") == [
        ("model=m · provider=p", "firing", NOON)
    ]
    assert settled(pair[::-1], CLEAR, NOON + 2 * MINUTE) == ["resolved model=m · provider=p"]


def test_ticks_at_once_take_turns_and_fire_once(warehouse: DatabaseUrl) -> None:
    found: list[list[Transition]] = []
    start = threading.Barrier(4)

    def one(number: int) -> None:
        with connect(warehouse) as own:
            start.wait(30)
            found.append(say(own, {"m": BREACH}, at=NOON + number * timedelta(milliseconds=1)))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, found)) == 1
    with connect(warehouse) as own:
        assert len(waiting(own)) == 1


QUERY = rule(name="wrong", metric=SqlMetric(query="select no_such as model, 1 as value, 1 as n"))


def test_a_rule_that_cannot_be_read_stops_no_other_and_is_an_alert(connection: Connection) -> None:
    connection.execute("create table marts.calls (n bigint)")
    right = rule(
        name="right", group_by=[], minimum_n=0, metric=SqlMetric(query="select 0.9 as value, 50 as n")
    )
    found = tick(connection, rules=[QUERY, right], now=NOON)
    assert [(one.rule, one.group) for one in found.transitions] == [
        ("right", "all"),
        ("alert_rules", "wrong"),
    ]
    assert "no_such" in found.errors["wrong"]
    assert "no_such" in found.transitions[1].message

    mended = rule(name="wrong", metric=SqlMetric(query="select 'm' as model, 0.0 as value, 50 as n"))
    moves = [
        (one.rule, one.transition, one.message)
        for minutes in (1, 11)
        for one in evaluate_alerts(connection, rules=[mended, right], now=NOON + minutes * MINUTE)
    ]
    assert moves == [("alert_rules", "resolved", "wrong: works again")]


def test_a_fault_of_ours_in_one_rule_stops_no_other(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("create table marts.calls (n bigint)")
    right = rule(
        name="right", group_by=[], minimum_n=0, metric=SqlMetric(query="select 0.9 as value, 50 as n")
    )

    def broken(*_: object, **__: object) -> None:
        raise OverflowError("of\nours")

    monkeypatch.setitem(cast(dict[str, object], BUILT_INS), "broken", broken)
    wrong = own_rule(name="wrong", metric=BuiltInMetric(name="broken"))
    found = tick(connection, rules=[wrong, right], now=NOON)

    assert found.errors == {"wrong": "OverflowError: of ours"}
    assert [one.rule for one in found.transitions] == ["right", "alert_rules"]


def test_a_tick_that_has_no_time_left_says_which_rules_it_did_not_reach(connection: Connection) -> None:
    connection.execute("create table marts.calls (n bigint)")
    found = tick(connection, rules=[QUERY], now=NOON, limit_seconds=-1)
    assert "took all the time" in found.errors["wrong"]


def test_a_file_that_is_wrong_is_an_alert(connection: Connection) -> None:
    found = tick(connection, rules=[], now=NOON, problems={"mine.yaml": "mine.yaml:3: summary: is missing"})
    [one] = found.transitions
    assert one.message == "mine.yaml: mine.yaml:3: summary: is missing"


def test_a_rule_that_is_taken_away_ends_its_alerts(connection: Connection) -> None:
    say(connection, {"m": BREACH}, of=own_rule(name="old", owner="search", severity="warning"))
    say(connection, {"m": BREACH}, of=own_rule(name="kept"))
    [found] = end_retired(connection, rules=[own_rule(name="kept")], now=NOON + MINUTE)
    assert (found.rule, found.group, found.transition, found.owner) == ("old", "m", "resolved", "search")
    assert found.message == "m: the rule is not in force any more"
    assert end_retired(connection, rules=[own_rule(name="kept")], now=NOON + 2 * MINUTE) == []
