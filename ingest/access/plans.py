"""One call's way through the targets of its alias: tier by tier, by weight, past what is known to fail."""

import random
import time
from collections.abc import Callable, Sequence

from evaluators.usage import Unbucketed, count_tokens
from ingest.access.breaker import RetryBudget
from ingest.access.secrets import Secret
from ingest.access.targets import TargetState, kind_of, kind_of_answer
from ingest.providers.base import Provider, Reading
from ingest.proxy.ports import Failure, Target

Clock = Callable[[], float]


class StraightPlan:
    """One target, the provider itself, which fails as it fails: no breaker, no retry, only counts."""

    __slots__ = ("_is_reported", "_state", "_status", "_target", "model")

    def __init__(self, state: TargetState, *, target: Target) -> None:
        self.model = "other"
        self._state = state
        self._target = target
        self._status = 0
        self._is_reported = False

    @property
    def candidates(self) -> Sequence[tuple[str, str | None]]:
        return [(self._target.provider, None)]

    def first(self) -> Target:
        return self._target

    def after(self, target: Target, failure: Failure) -> Target | None:
        if not self._is_reported:
            self._state.attempts[kind_of(failure)] += 1
        self._is_reported = True
        return None

    def answered(self, target: Target, *, status: int) -> None:
        self._is_reported, self._status = True, status

    def ended(self, target: Target, *, reading: Reading | None, failure: Failure | None) -> None:
        kind = kind_of_answer(self._status) if failure is None else "broke_off"
        self._state.attempts[kind] += 1

    def abandoned(self) -> None:
        return


class AliasPlan:
    """The plan of a call to an alias. `candidates` are the usable targets, in order of trial.

    A target whose breaker is open or whose limit is reached is passed over. The last of them whose breaker
    is closed never opens it: there is always somewhere to go.
    """

    def __init__(
        self,
        model: str,
        *,
        candidates: Sequence[TargetState],
        budget: RetryBudget,
        provider: Provider,
        forwards_key: bool,
        clock: Clock = time.monotonic,
    ) -> None:
        self.model = model
        self._all = tuple(candidates)
        self._candidates = list(candidates)
        self._budget = budget
        self._provider = provider
        self._forwards_key = forwards_key
        self._clock = clock
        self._at: TargetState | None = None
        self._target: Target | None = None
        self._is_trial = False
        self._is_reported = False
        self._status = 0

    @property
    def candidates(self) -> Sequence[tuple[str, str | None]]:
        return [(each.row.provider, each.row.model or None) for each in self._all]

    def first(self) -> Target:
        if self._target is not None:
            return self._target
        now = self._clock()
        self._budget.called(now=now)
        return self._begin(self._next(now) or self._least_bad(now), now=now)

    def after(self, target: Target, failure: Failure) -> Target | None:
        if (failed := self._report()) is None:
            return None
        now = self._clock()
        failed.failed(
            failure,
            is_trial=self._is_trial,
            is_clients=self._forwards_key and failed.row.secret_ref is None,
            may_open=self._may_open(failed, now=now),
            now=now,
        )
        following = self._next(now)
        if following is None or not self._budget.take(now=now):
            return None
        failed.fallbacks += 1
        return self._begin(following, now=now)

    def answered(self, target: Target, *, status: int) -> None:
        if (at := self._report()) is not None:
            self._status = status
            at.answered(is_trial=self._is_trial, now=self._clock())

    def ended(self, target: Target, *, reading: Reading | None, failure: Failure | None) -> None:
        if self._at is None:
            return
        now = self._clock()
        may_open = self._may_open(self._at, now=now)
        self._at.ended(self._status, has_broken_off=failure is not None, may_open=may_open, now=now)
        if reading is not None and self._at.row.max_tokens_per_minute is not None:
            counts = count_tokens(reading.usage, provider=target.provider, endpoint="")
            if not isinstance(counts, Unbucketed):
                self._at.used(sum(counts), now=now)

    def abandoned(self) -> None:
        if (at := self._report()) is not None and self._is_trial:
            at.breaker.forget()

    def _report(self) -> TargetState | None:
        """The target to report on, once."""
        if self._is_reported:
            return None
        self._is_reported = True
        return self._at

    def _next(self, now: float) -> TargetState | None:
        return next(
            (each for each in self._candidates if each.breaker.allows(now=now) and each.has_room(now=now)),
            None,
        )

    def _least_bad(self, now: float) -> TargetState:
        """None is free: the one whose breaker reopens first, if possible one that is not at its limit."""
        with_room = [each for each in self._candidates if each.has_room(now=now)]
        return min(with_room or self._candidates, key=lambda each: each.breaker.reopens_in(now=now))

    def _begin(self, state: TargetState, *, now: float) -> Target:
        self._candidates.remove(state)
        self._at, self._is_reported = state, False
        self._is_trial = state.begin(now=now)
        secret = state.secret
        self._target = Target(
            name=state.name,
            provider=state.row.provider,
            base_url=state.row.base_url,
            model=state.row.model or None,
            secret_header=self._provider.secret_header(secret.value) if isinstance(secret, Secret) else None,
            deadline_seconds=state.row.deadline_seconds,
        )
        return self._target

    def _may_open(self, state: TargetState, *, now: float) -> bool:
        others = (each for each in self._all if each is not state)
        return any(each.breaker.state(now=now) == "closed" for each in others)


def in_order(
    targets: Sequence[TargetState], *, draw: Callable[[], float] = random.random
) -> list[TargetState]:
    """Tier by tier; inside one, at random by weight (Efraimidis and Spirakis, 2006: the largest u^(1/w))."""
    if len(targets) < 2:
        return list(targets)
    return sorted(targets, key=lambda each: (each.row.tier, -(draw() ** (1.0 / each.row.weight))))
