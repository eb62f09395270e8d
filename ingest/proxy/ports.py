"""What the way of a call asks of its surroundings: who calls, where to, whether it may, what may be kept.

All of them are asked on the event loop, once a call, and must not block it. Their plain forms, with which a
bare proxy just passes and records, are in `surroundings`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import msgspec

from ingest.providers.base import Prepared, Provider, Reading
from ingest.proxy.http import Headers, Scope
from ingest.settings import Keep


class Caller(msgspec.Struct, frozen=True):
    """Who makes a call.

    `secret` is the key the client sent: it is cut out of whatever is spooled. With `forwards_key` it goes
    to the provider as it came (passthrough); else it is ours and never leaves. `project` and `environment`
    are set where the key says them, and then no header overrides them. `allowed_models` None means all.
    `address` is the peer's IP address. `is_trusted` tells that the providers' secrets of ours may pay for
    the call: for a caller that proved who it is, or one on this machine where no key is asked for.
    """

    key_id: str | None = None
    secret: bytes | None = None
    forwards_key: bool = True
    project: str | None = None
    environment: str | None = None
    owner: str | None = None
    allowed_models: frozenset[str] | None = None
    address: str = ""
    is_trusted: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call goes no further, in the words and the status the client gets."""

    status: int
    kind: str
    message: str
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One place a call may be sent to.

    `name` is bounded (a configured name, or the provider's): breakers and metrics are kept by it. `model`
    None leaves the client's; `secret_header` None forwards the client's own key. `deadline_seconds` bounds
    the wait for the first byte.
    """

    name: str
    provider: str
    base_url: str
    model: str | None = None
    secret_header: tuple[str, str] | None = None
    deadline_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not do: a status the provider gave, or none where it gave no answer."""

    status: int | None
    error_type: str
    retry_after_seconds: float | None = None


class Plan(Protocol):
    """The targets of one call, in order of trial.

    Each target given out is reported on once: `after` a failure, as `answered` (and then `ended`), or the
    whole plan as `abandoned`.
    """

    @property
    def model(self) -> str:
        """The name metrics and prices know the call's model by; `other` for one nobody configured."""
        ...

    @property
    def candidates(self) -> Sequence[tuple[str, str | None]]:
        """Provider and model (None: the client's own) of every target that the call may come to."""
        ...

    def first(self) -> Target:
        """Where to go first; asked again, the same."""
        ...

    def after(self, target: Target, failure: Failure) -> Target | None:
        """Where to go on after a failure, or None: then the failure is the client's answer."""
        ...

    def answered(self, target: Target, *, status: int) -> None:
        """The target's answer goes to the client."""
        ...

    def ended(self, target: Target, *, reading: "Reading | None", failure: Failure | None) -> None:
        """The answer is over: what it used, and why it broke off if it did."""
        ...

    def abandoned(self) -> None:
        """The call ends without an answer and through no fault of a target: refused, or the client left."""
        ...


class Doors(Protocol):
    def identify(self, scope: Scope, *, provider: Provider | None) -> Caller | Refusal: ...


class Router(Protocol):
    def plan(self, *, caller: Caller, provider: Provider, prepared: Prepared) -> Plan | Refusal: ...

    def models(self, *, caller: Caller, provider: Provider) -> Sequence[str] | None:
        """The models to list to this caller; None for what the provider itself lists."""
        ...


class Grant(Protocol):
    """Leave to make one call; `settle` or `release` is called exactly once."""

    @property
    def headers(self) -> Headers:
        """For the client's response: the state of its limits."""
        ...

    @property
    def reserved(self) -> dict[str, str]:
        """Account to reserved USD, for START."""
        ...

    def settle(
        self,
        reading: "Reading | None",
        *,
        cost_usd: Decimal | None,
        is_failure: bool,
        failed_usd: Decimal = Decimal(0),
    ) -> dict[str, str]:
        """The call is over: account to spent USD, for END.

        `reading` and `cost_usd` are the answer's, `failed_usd` what attempts before it cost as they say.
        `is_failure`: the provider refused or gave no answer, so that what nobody can price cost nothing.
        """
        ...

    def release(self) -> None:
        """The provider was never asked."""
        ...


class Admission(Protocol):
    async def admit(
        self, *, caller: Caller, plan: Plan, prepared: Prepared, user_id: str | None, project: str | None
    ) -> Grant | Refusal:
        """`user_id` and `project` are the client's own word; the caller's project goes before it."""
        ...

    async def admit_delivery(self, *, caller: Caller) -> Refusal | None:
        """A request that hands something in and calls no provider: it counts, without tokens."""
        ...


class Pricer(Protocol):
    def cost(self, reading: Reading, *, target: Target, endpoint: str, at_ns: int) -> Decimal | None:
        """USD of one answered attempt; None where nobody can say."""
        ...


class Keeping(Protocol):
    """What may be kept of one project's calls; a call keeps to the one it began with.

    Masking raises MaskingError where it takes too long: then nothing of the text may be kept.
    """

    @property
    def keep(self) -> Keep: ...

    def mask(self, text: str) -> str: ...

    def mask_body(self, body: bytes) -> bytes:
        """The same JSON with every string masked; empty for a body that is not JSON."""
        ...

    def user(self, user_id: str) -> str:
        """The user's name as it may be kept: itself, or an HMAC of it."""
        ...


class Privacy(Protocol):
    def of(self, project: str | None) -> Keeping:
        """Asked before anything of a call is spooled."""
        ...
