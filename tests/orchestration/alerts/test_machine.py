"""The state machine: what verdicts, time and missing data make of a group."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.alerts.engine.machine import Memory, Policy, policy_of, step
from orchestration.alerts.engine.verdict import Outcome, Verdict
from tests.orchestration.alerts.written_rules import rule

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def policy(**changes: Any) -> Policy:
    return policy_of(rule(**changes))


def run(
    outcomes: list[Outcome], *, of: Policy | None = None, memory: Memory | None = None, start: datetime = NOON
) -> tuple[list[str | None], Memory | None]:
    """What changed at each minute, and the memory at the end."""
    said: list[str | None] = []
    for number, outcome in enumerate(outcomes):
        after = step(of or policy(), Verdict(outcome), memory=memory, now=start + number * MINUTE)
        memory = after.memory if after else memory
        said.append(after.transition if after else None)
    return said, memory


def test_a_breach_fires_once_and_resolves_once() -> None:
    said, memory = run(["clear", "breach", "breach", "holding", "clear", "clear"])
    assert said == [None, "firing", None, None, "resolved", None]
    assert memory is not None
    assert (memory.state, memory.since, memory.breached_at) == ("resolved", NOON + 4 * MINUTE, NOON + MINUTE)


def test_what_never_was_wrong_is_no_state() -> None:
    assert run(["clear", "holding", "too_few", "absent"]) == ([None] * 4, None)


def test_a_breach_is_pending_until_it_has_held_without_a_gap() -> None:
    patient = policy(hold="2m")
    said, memory = run(["breach", "breach", "clear", "breach", "breach", "breach"], of=patient)
    assert said == [None, None, None, None, None, "firing"]
    assert memory is not None and memory.breached_at == NOON + 3 * MINUTE


def test_it_fires_on_for_as_long_as_the_rule_says_after_the_last_breach() -> None:
    stubborn = policy(keep_firing="3m")
    said, _ = run(["breach", "clear", "breach", "clear", "clear", "clear", "clear"], of=stubborn)
    assert said == ["firing", None, None, None, None, "resolved", None]


def test_too_few_calls_end_nothing_and_begin_nothing() -> None:
    assert run(["breach", "too_few", "too_few", "clear"])[0] == ["firing", None, None, "resolved"]
    assert run(["breach", "too_few"], of=policy(hold="5m"))[1].state == "resolved"  # type: ignore[union-attr]


def test_a_group_that_is_gone_resolves_with_the_reason() -> None:
    _, memory = run(["breach"])
    after = step(policy(), Verdict("absent"), memory=memory, now=NOON + MINUTE)
    assert after is not None
    assert (after.transition, after.reason) == ("resolved", "no data any more: gone or renamed")


def test_kept_without_data_it_fires_on_for_a_day() -> None:
    keeping = policy(no_data="keep")
    _, memory = run(["breach", "too_few"], of=keeping)
    day = timedelta(days=1)
    assert memory is not None

    def later(of: Policy, span: timedelta) -> str | None:
        after = step(of, Verdict("absent"), memory=memory, now=NOON + MINUTE + span)
        assert after is not None
        return after.transition

    assert later(keeping, day - MINUTE) is None
    assert later(keeping, day) == "resolved"
    long = policy(no_data="keep", window=rule().window.__class__(span="7d"))
    assert later(long, day) is None


def test_no_data_may_be_the_alert() -> None:
    missing = policy(no_data="fire")
    assert run(["absent", "absent", "clear"], of=missing)[0] == ["firing", None, "resolved"]


@pytest.mark.parametrize("state", ["pending", "firing", "resolved"])
def test_marts_that_are_behind_are_no_news(state: Any) -> None:
    memory = Memory(state, NOON, NOON, NOON, NOON, NOON)
    later = NOON + timedelta(days=9)
    assert step(policy(), Verdict("absent"), memory=memory, now=later, is_behind=True) is None


@pytest.mark.parametrize("now", [NOON, NOON - MINUTE, NOON - timedelta(days=400)])
def test_the_same_moment_and_a_clock_that_goes_back_change_nothing(now: datetime) -> None:
    _, memory = run(["breach"])
    assert step(policy(), Verdict("clear"), memory=memory, now=now) is None


def test_late_data_brings_back_what_had_resolved() -> None:
    said, memory = run(["breach", "clear", "breach"])
    assert said == ["firing", "resolved", "firing"]
    assert memory is not None and memory.breached_at == NOON + 2 * MINUTE
