"""Who may come in: with a key of ours (`keys`), or anybody from this machine (`off`).

A check is one hash and one look-up. A right key is never held up by the wrong ones that come from the same
address: those only change how a wrong key is answered.
"""

import ipaddress
from collections.abc import Callable

from ingest.access.keys import KEY_PREFIX, KeyBook
from ingest.access.strikes import Strikes
from ingest.limits.subjects import network_of
from ingest.providers.base import Provider
from ingest.proxy.http import Headers, Scope, header
from ingest.proxy.keys import client_key, key_id
from ingest.proxy.ports import Caller, Refusal
from ingest.settings import Auth

_KEY_HEADERS = frozenset({b"authorization", b"api-key", b"x-api-key", b"x-goog-api-key"})
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_NO_KEY = (
    "a key of this proxy is needed (lqo_…), as a bearer token or in x-api-key, api-key or x-goog-api-key"
)
_WRONG_KEY = "this key is not known here, has expired or was revoked"
_AUTHENTICATE = (b"www-authenticate", b"Bearer")


class DoorsError(RuntimeError):
    """The proxy may not be opened like this; the message is one line."""


def check_doors(auth: Auth, *, host: str) -> None:
    """Raise DoorsError for a proxy that would serve everybody beyond this machine without a key."""
    if auth != "off":
        return
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    if not is_local:
        raise DoorsError(f"LQO_AUTH=off serves this machine alone: listen on 127.0.0.1, not on {host}")


class KeyDoors:
    """Lets in who has a key of ours; the client's key goes no further.

    `age_seconds` tells how long ago the database confirmed the keys (None: never). Past `max_age_seconds`
    nobody is let in, as a revoked key would live on.
    """

    def __init__(
        self,
        *,
        age_seconds: Callable[[], float | None],
        max_age_seconds: float,
        strikes: Strikes | None = None,
    ) -> None:
        self._age_seconds = age_seconds
        self._max_age_seconds = max_age_seconds
        self._strikes = Strikes() if strikes is None else strikes
        self._book = KeyBook()

    def take_in(self, book: KeyBook) -> None:
        """These are the keys from now on."""
        self._book = book

    def identify(self, scope: Scope, *, provider: Provider | None) -> Caller | Refusal:
        stale = self._stale()
        if stale is not None:
            return stale
        address = _address(scope)
        secret = presented_key(scope["headers"], query=scope.get("query_string", b""))
        caller = None if secret is None else self._book.find(secret)
        if caller is None:
            return self._wrong(secret, address=address)
        return _present(caller, secret=secret, address=address)

    def _stale(self) -> Refusal | None:
        age = self._age_seconds()
        if age is not None and age <= self._max_age_seconds:
            return None
        message = (
            "the keys of this proxy were never read from the database"
            if age is None
            else "the database that knows the keys has been away for too long"
        )
        return Refusal(503, "access_unavailable", message, ((b"retry-after", b"5"),))

    def _wrong(self, secret: bytes | None, *, address: str) -> Refusal:
        wait = self._strikes.strike(network_of(address))
        if wait:
            message = "too many wrong keys came from this address"
            return Refusal(429, "too_many_wrong_keys", message, ((b"retry-after", b"%d" % wait),))
        message = _NO_KEY if secret is None else _WRONG_KEY
        return Refusal(401, "invalid_api_key", message, (_AUTHENTICATE,))


class OpenHouse:
    """Lets everybody in who is on this machine; the secrets of ours pay where a target has one.

    A page in somebody's browser is on this machine, too: what it sends carries an `Origin` or, after its
    name was bound to this address, a foreign `Host`.
    """

    def __init__(self, *, pepper: bytes) -> None:
        self._pepper = pepper

    def identify(self, scope: Scope, *, provider: Provider | None) -> Caller | Refusal:
        headers: Headers = scope["headers"]
        host = header(headers, b"host").decode("latin-1").lower()
        if header(headers, b"origin") or _name_of(host) not in _LOCAL_NAMES:
            return Refusal(403, "not_local", "without keys only programs on this machine are served")
        secret = client_key(headers)
        return Caller(
            key_id=key_id(secret, pepper=self._pepper),
            secret=secret,
            is_trusted=True,
            address=_address(scope),
        )


def _present(caller: Caller, *, secret: bytes | None, address: str) -> Caller:
    """The owner of a key as it comes in now; written out, as `replace` takes five times as long."""
    return Caller(
        key_id=caller.key_id,
        secret=secret,
        forwards_key=caller.forwards_key,
        project=caller.project,
        environment=caller.environment,
        owner=caller.owner,
        allowed_models=caller.allowed_models,
        address=address,
        is_trusted=caller.is_trusted,
    )


def presented_key(headers: Headers, *, query: bytes = b"") -> bytes | None:
    """The key of ours among the headers that may hold one; any other key only where none of ours is there.

    An SDK may send a provider's key of its environment beside ours.
    """
    prefix, first = KEY_PREFIX.encode(), None
    for name, value in headers:
        if name not in _KEY_HEADERS:
            continue
        scheme, _, token = value.partition(b" ")
        key = token.strip() if name == b"authorization" and scheme.lower() == b"bearer" else value.strip()
        if key.startswith(prefix):
            return key
        first = first or key or None
    return first or client_key((), query=query)


def _address(scope: Scope) -> str:
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else ""


def _name_of(host: str) -> str:
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
