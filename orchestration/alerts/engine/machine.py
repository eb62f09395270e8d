"""The state machine of one rule and group, without any I/O: pending, firing, resolved."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.definition.spans import span
from orchestration.alerts.engine.conditions.windows import length_of
from orchestration.alerts.engine.verdict import Verdict

State = Literal["pending", "firing", "resolved"]

DAY = timedelta(days=1)
GONE = "no data any more: gone or renamed"


@dataclass(frozen=True, slots=True)
class Policy:
    """The parts of a rule that say how verdicts become states.

    `gone_after`: how long what fires is kept without any data, where `no_data` is `keep`.
    """

    hold: timedelta
    keep_firing: timedelta
    no_data: Literal["resolve", "keep", "fire"]
    gone_after: timedelta


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a group from before; `since` is when its state began, `breached_at` its breach.

    `last_breach_at` and `seen_at`: when it last was in breach, and last had data.
    """

    state: State
    since: datetime
    evaluated_at: datetime
    breached_at: datetime
    last_breach_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """The memory after a verdict, and what changed; `reason`: why, where the figures do not say."""

    memory: Memory
    transition: Literal["firing", "resolved"] | None = None
    reason: str | None = None


def policy_of(rule: Rule) -> Policy:
    """The rule's policy; what fires outlives its data by the window, at least by a day."""
    return Policy(
        hold=span(rule.hold) if rule.hold else timedelta(),
        keep_firing=span(rule.keep_firing) if rule.keep_firing else timedelta(),
        no_data=rule.no_data,
        gone_after=max(DAY, length_of(rule)),
    )


def step(
    policy: Policy, verdict: Verdict, *, memory: Memory | None, now: datetime, is_behind: bool = False
) -> Step | None:
    """What a verdict makes of a group; None: nothing to write.

    A moment at or before the last one that was written changes nothing, so replays and a clock that was set
    back are safe. While the marts are behind, a group without rows is no news.
    """
    if memory is not None and now <= memory.evaluated_at:
        return None
    if verdict.outcome == "absent" and is_behind:
        return None
    outcome, reason = _known(policy, verdict, memory=memory, now=now)
    seen_at = now if verdict.outcome != "absent" or memory is None else memory.seen_at
    if memory is not None and memory.state == "firing":
        return _firing(policy, outcome, reason, memory=memory, now=now, seen_at=seen_at)
    if outcome == "breach":
        return _breach(policy, reason, memory=memory, now=now, seen_at=seen_at)
    if memory is not None and memory.state == "pending":
        return Step(
            Memory("resolved", now, now, memory.breached_at, memory.last_breach_at, seen_at), None, reason
        )
    return None


def _known(
    policy: Policy, verdict: Verdict, *, memory: Memory | None, now: datetime
) -> tuple[str, str | None]:
    """The outcome, what is absent by the rule's policy."""
    if verdict.outcome != "absent":
        return verdict.outcome, verdict.reason
    if policy.no_data == "fire":
        return "breach", verdict.reason or "no data"
    if policy.no_data == "keep" and memory is not None and now - memory.seen_at < policy.gone_after:
        return "too_few", verdict.reason
    return "clear", verdict.reason or GONE


def _firing(
    policy: Policy, outcome: str, reason: str | None, *, memory: Memory, now: datetime, seen_at: datetime
) -> Step:
    is_on = outcome in ("breach", "holding", "too_few")
    last = now if outcome in ("breach", "holding") else memory.last_breach_at
    if is_on or now - memory.last_breach_at < policy.keep_firing:
        return Step(Memory("firing", memory.since, now, memory.breached_at, last, seen_at))
    return Step(
        Memory("resolved", now, now, memory.breached_at, memory.last_breach_at, seen_at), "resolved", reason
    )


def _breach(
    policy: Policy, reason: str | None, *, memory: Memory | None, now: datetime, seen_at: datetime
) -> Step:
    is_pending = memory is not None and memory.state == "pending"
    begun = memory.breached_at if memory is not None and is_pending else now
    if now - begun >= policy.hold:
        return Step(Memory("firing", now, now, begun, now, seen_at), "firing", reason)
    since = memory.since if memory is not None and is_pending else now
    return Step(Memory("pending", since, now, begun, now, seen_at))
