"""The surroundings of a proxy: each port in its plain form, so that a bare one just passes and records."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from ingest.providers.base import Prepared, Provider, Reading
from ingest.proxy.http import Headers, Scope
from ingest.proxy.keys import client_key, key_id
from ingest.proxy.ports import (
    Admission,
    Caller,
    Doors,
    Failure,
    Grant,
    Keeping,
    Plan,
    Pricer,
    Privacy,
    Refusal,
    Router,
    Target,
)
from ingest.settings import Keep


@dataclass(frozen=True, slots=True)
class OpenDoors:
    """Everybody comes in with the provider's own key (`passthrough`)."""

    pepper: bytes

    def identify(self, scope: Scope, *, provider: Provider | None) -> Caller | Refusal:
        takes_query = provider is not None and provider.wire == "gemini"
        secret = client_key(scope["headers"], query=scope["query_string"] if takes_query else b"")
        client: tuple[str, int] | None = scope.get("client")
        return Caller(
            key_id=key_id(secret, pepper=self.pepper), secret=secret, address=client[0] if client else ""
        )


@dataclass(frozen=True, slots=True)
class OnlyTarget:
    """A plan of one target, which fails as it fails."""

    target: Target
    model: str = "other"

    @property
    def candidates(self) -> Sequence[tuple[str, str | None]]:
        return ((self.target.provider, self.target.model),)

    def first(self) -> Target:
        return self.target

    def after(self, target: Target, failure: Failure) -> Target | None:
        return None

    def answered(self, target: Target, *, status: int) -> None:
        return

    def ended(self, target: Target, *, reading: Reading | None, failure: Failure | None) -> None:
        return

    def abandoned(self) -> None:
        return


class StraightRouter:
    """Every call goes to its provider's own address."""

    def plan(self, *, caller: Caller, provider: Provider, prepared: Prepared) -> Plan | Refusal:
        return OnlyTarget(Target(name=provider.name, provider=provider.name, base_url=provider.base_url))

    def models(self, *, caller: Caller, provider: Provider) -> Sequence[str] | None:
        return None


class FreeGrant(msgspec.Struct, frozen=True):
    headers: Headers = ()
    reserved: dict[str, str] = {}

    def settle(
        self,
        reading: Reading | None,
        *,
        cost_usd: Decimal | None,
        is_failure: bool,
        failed_usd: Decimal = Decimal(0),
    ) -> dict[str, str]:
        return {}

    def release(self) -> None:
        return


class NoLimits:
    async def admit(
        self, *, caller: Caller, plan: Plan, prepared: Prepared, user_id: str | None, project: str | None
    ) -> Grant | Refusal:
        return FreeGrant()

    async def admit_delivery(self, *, caller: Caller) -> Refusal | None:
        return None


class NoPrices:
    def cost(self, reading: Reading, *, target: Target, endpoint: str, at_ns: int) -> Decimal | None:
        return None


@dataclass(frozen=True, slots=True)
class KeepAll:
    keep: Keep = "full"

    def of(self, project: str | None) -> Keeping:
        return self

    def mask(self, text: str) -> str:
        return text

    def mask_body(self, body: bytes) -> bytes:
        return body

    def user(self, user_id: str) -> str:
        return user_id


@dataclass(frozen=True, slots=True)
class Ports:
    """The surroundings of one proxy."""

    doors: Doors
    router: Router = field(default_factory=StraightRouter)
    admission: Admission = field(default_factory=NoLimits)
    pricer: Pricer = field(default_factory=NoPrices)
    privacy: Privacy = field(default_factory=KeepAll)
