"""Who may read: owners of the proxy's keys, or programs on this machine where no key is asked for."""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, PermissionDeniedException
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from ingest.access.doors import KeyDoors, OpenHouse
from ingest.access.follower import Follower
from ingest.access.keys import KeyBook
from ingest.access.snapshot import Snapshot
from ingest.providers.base import Provider
from ingest.proxy.http import Scope
from ingest.proxy.keys import load_pepper
from ingest.proxy.ports import Caller, Doors, Refusal
from ingest.settings import Settings

# A reverse proxy on this machine makes all the world come from 127.0.0.1.
_FORWARDING = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip"})


@dataclass(frozen=True, slots=True)
class Gate:
    """The doors, and what keeps their keys up to date (None: no keys)."""

    doors: Doors
    follower: Follower | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The keys are followed inside the block."""
        if self.follower is None:
            yield
            return
        await self.follower.start()
        try:
            yield
        finally:
            self.follower.stop()


def build_gate(settings: Settings, *, host: str) -> Gate:
    """Keys are asked for with `LQO_AUTH=keys`, and wherever the API listens beyond this machine.

    Otherwise it is open to programs on this machine. A provider's key, which the proxy passes on, says
    nothing of who may read: nobody here could check it.
    """
    if settings.auth != "keys" and _is_loopback(host):
        return Gate(LocalDoors(OpenHouse(pepper=load_pepper(settings.home))))
    follower = Follower(settings)
    doors = KeyDoors(
        age_seconds=lambda: follower.age_seconds, max_age_seconds=settings.access_max_age_hours * 3600
    )
    follower.listen_prepared(_book_of, doors.take_in)
    return Gate(doors, follower)


@dataclass(frozen=True, slots=True)
class LocalDoors:
    """The proxy's open house, closed to what a reverse proxy brings in from elsewhere."""

    house: OpenHouse

    def identify(self, scope: Scope, *, provider: Provider | None) -> Caller | Refusal:
        if any(name in _FORWARDING for name, _ in scope["headers"]):
            return Refusal(
                403, "not_local", "this came through a reverse proxy: set LQO_AUTH=keys to serve others"
            )
        return self.house.identify(scope, provider=provider)


class Keeper(AbstractAuthenticationMiddleware):
    """Asks the doors of `app.state.doors` about every request; its user is the `Caller`."""

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        doors: Doors = connection.app.state.doors
        # Without the query: a key in an address ends in logs, so here none is read from it.
        found = doors.identify({**connection.scope, "query_string": b""}, provider=None)
        if isinstance(found, Refusal):
            raise _refused(found)
        return AuthenticationResult(user=found, auth=found.key_id)


def own_project(caller: Caller, asked: str | None) -> str | None:
    """The project to filter by: a key of a project reads that one alone.

    Raises PermissionDeniedException where another is asked for.
    """
    if caller.project is None or asked == caller.project:
        return asked
    if asked is not None:
        raise PermissionDeniedException(f"project: this key reads {caller.project!r} alone")
    return caller.project


def refuse_projects(caller: Caller) -> None:
    """Raise PermissionDeniedException for a key of one project where an answer speaks of all."""
    if caller.project is not None:
        raise PermissionDeniedException(
            f"this answer speaks of all projects, and this key reads {caller.project!r} alone"
        )


def _refused(refusal: Refusal) -> HTTPException:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in refusal.headers}
    return HTTPException(status_code=refusal.status, detail=refusal.message, headers=headers)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _book_of(snapshot: Snapshot) -> KeyBook:
    return KeyBook(snapshot.keys, read_at_ns=snapshot.taken_at_ns)
