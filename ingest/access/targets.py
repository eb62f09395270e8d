"""What the proxy knows of each target while it runs: its breaker, its limits, what became of its attempts."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from ingest.access.breaker import Breaker, State
from ingest.access.secrets import Missing, Secret
from ingest.access.snapshot import ModelRow
from ingest.access.window import Window
from ingest.proxy.ports import Failure

Kind = Literal["ok", "refused", "throttled", "timeout", "server_error", "unreachable", "broke_off"]
"""What became of an attempt: `ok` below 400, `refused` any 4xx that is the request's own fault, `throttled`
429, `timeout` 408 or a deadline, `unreachable` no answer at all, `broke_off` an answer that did not end."""

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class TargetStats:
    """Plain numbers of one target since the proxy began (or the target changed), for metrics.

    `unavailable` says why it cannot be used (None where it can). `attempts` is by kind; `fallbacks` counts
    calls that went on to another target after failing here.
    """

    name: str
    alias: str
    provider: str
    model: str
    state: State
    unavailable: str | None
    attempts: dict[Kind, int]
    fallbacks: int


class TargetState:
    """One target. `row` may be replaced by another that names the same place; all else then goes on."""

    def __init__(self, row: ModelRow, *, secret: Secret | Missing | None = None) -> None:
        self.row = row
        self.secret = secret
        self.breaker = Breaker()
        self.fallbacks = 0
        self.attempts: Counter[Kind] = Counter()
        self._requests = Window(_MINUTE)
        self._tokens = Window(_MINUTE)

    @property
    def name(self) -> str:
        return f"{self.row.alias}/{self.row.position}" if self.row.position else self.row.alias

    @property
    def unavailable(self) -> str | None:
        """Why no call may go there, or None."""
        if not self.row.is_enabled:
            return "it is disabled"
        return self.secret.reason if isinstance(self.secret, Missing) else None

    def is_same_place(self, row: ModelRow) -> bool:
        """Whether what was learnt of this target holds for `row`, too."""
        mine = (self.row.provider, self.row.base_url, self.row.model, self.row.secret_ref)
        return mine == (row.provider, row.base_url, row.model, row.secret_ref)

    def has_room(self, *, now: float) -> bool:
        """Whether its own limits of the last minute allow another call."""
        requests, tokens = self.row.max_requests_per_minute, self.row.max_tokens_per_minute
        return (requests is None or self._requests.total(now=now) < requests) and (
            tokens is None or self._tokens.total(now=now) < tokens
        )

    def begin(self, *, now: float) -> bool:
        """A call goes there; whether it is a trial of the breaker."""
        self._requests.add(1, now=now)
        return self.breaker.begin(now=now)

    def answered(self, *, is_trial: bool, now: float) -> None:
        """The target answered, and the answer goes to the client; what becomes of it, `ended` counts."""
        self.breaker.succeed(now=now, is_trial=is_trial)

    def ended(self, status: int, *, has_broken_off: bool, may_open: bool, now: float) -> None:
        """The answer is over, as it should or not."""
        self.attempts["broke_off" if has_broken_off else kind_of_answer(status)] += 1
        if has_broken_off:
            self.breaker.fail(now=now, is_trial=False, may_open=may_open)

    def failed(
        self, failure: Failure, *, is_trial: bool, is_clients: bool, may_open: bool, now: float
    ) -> None:
        """`is_clients`: the call went with the client's own key, whose rate limit is not everybody's."""
        kind = kind_of(failure)
        self.attempts[kind] += 1
        if is_clients and kind == "throttled":
            self.breaker.succeed(now=now, is_trial=is_trial)
        else:
            wait = failure.retry_after_seconds
            self.breaker.fail(now=now, is_trial=is_trial, retry_after=wait, may_open=may_open)

    def used(self, tokens: int, *, now: float) -> None:
        self._tokens.add(tokens, now=now)

    def stats(self, *, now: float) -> TargetStats:
        return TargetStats(
            name=self.name,
            alias=self.row.alias,
            provider=self.row.provider,
            model=self.row.model,
            state=self.breaker.state(now=now),
            unavailable=self.unavailable,
            attempts=dict(self.attempts),
            fallbacks=self.fallbacks,
        )


def kind_of_answer(status: int) -> Kind:
    """Of an answer that goes to the client because no other target would do better."""
    return "ok" if status < 400 else "refused"


def kind_of(failure: Failure) -> Kind:
    if failure.status == 429:
        return "throttled"
    if failure.status == 408 or failure.error_type == "upstream_timeout":
        return "timeout"
    return "unreachable" if failure.status is None else "server_error"
