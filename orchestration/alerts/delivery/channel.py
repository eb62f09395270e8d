"""What the sender and a channel say to each other: a parcel goes out, a reply comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from orchestration.alerts.message import AlertMessage

# What a server may say of a request that another try could get through; other 4xx stay what they are.
_PASSING = frozenset({408, 409, 421, 423, 425, 429})
# A gateway that lost the server behind it, or a server that stopped waiting: it may have been taken.
_UNCERTAIN = frozenset({408, 502, 504})


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a try. `status` is HTTP's (for mail: SMTP's), 0 where no reply came.

    `detail` is what went wrong, in a line; `answer` the receiver's own words; `retry_after` is in seconds,
    where the server asks for it. `is_uncertain`: the receiver may have the message all the same, so the next
    try says that it is possibly a repeat. `is_final`: no further try can help.
    """

    status: int
    detail: str
    retry_after: float | None = None
    is_uncertain: bool = False
    is_final: bool = False
    answer: str = ""

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Limits:
    """How a channel wants to be fed.

    At most `per_minute` requests (None: no limit). More than `digest_above` waiting alerts go as one message
    (None: never). After `lease_seconds` without an outcome another sender takes a message over, so it is
    longer than the longest try.
    """

    per_minute: float | None = None
    digest_above: int | None = None
    lease_seconds: float = 45.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request's worth: an alert, several as a digest, or a payload that was made elsewhere (`ready`).

    `key` is the idempotency key: the event's id, or of a digest what follows from its events.
    """

    key: str
    messages: tuple[AlertMessage, ...] = ()
    ready: Mapping[str, Any] | None = None
    is_repeat: bool = False
    is_test: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What a receiver can tell a repeat by without reading the message."""
        repeat = {"X-LQO-Repeat": "possible"} if self.is_repeat else {}
        return {"Idempotency-Key": self.key, **repeat}


class Channel(Protocol):
    """A place that messages go to. `deliver` never raises for what a network, server or setting does."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    def deliver(self, parcel: Parcel) -> Reply: ...


def http_reply(status: int, *, answer: str, retry_after: float | None = None) -> Reply:
    """What an HTTP answer means; `answer` is its body's beginning in one line."""
    if 200 <= status < 300:
        return Reply(status, "", answer=answer)
    told = "redirects are not followed" if 300 <= status < 400 else answer
    return Reply(
        status,
        f"HTTP {status}{f': {told}' if told else ''}",
        retry_after,
        is_uncertain=status in _UNCERTAIN,
        is_final=400 <= status < 500 and status not in _PASSING,
        answer=answer,
    )
