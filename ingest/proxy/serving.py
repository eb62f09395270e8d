"""How a proxy serves: everything a start can say beside where it listens and what it forwards to."""

import ipaddress
import resource
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from ingest.proxy.gate import Capacity
from ingest.proxy.protocol import Patience

_FILES_OF_OUR_OWN = 256
"""Spool, database, listeners, and the connections that are refused politely."""


class ProxyError(RuntimeError):
    """The proxy cannot start; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """`trusted_proxies`: addresses or networks whose `X-Forwarded-For` and `-Proto` are believed.

    After a signal new connections are still taken for `drain_delay_seconds`, while `/readyz` says 503;
    then running calls get `grace_seconds` to end.
    """

    workers: int = 1
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    drain_delay_seconds: float = 0.0
    grace_seconds: float = 30.0
    patience: Patience = field(default_factory=Patience)
    capacity: Capacity = field(default_factory=Capacity)

    def check(self) -> None:
        """Raises ProxyError for what cannot be served so."""
        if not 1 <= self.workers <= 128:
            raise ProxyError(f"--workers must be 1 to 128, not {self.workers}")
        if self.tls_key is not None and self.tls_cert is None:
            raise ProxyError("--tls-key needs --tls-cert")
        tls_context(self)


def tls_context(serving: Serving) -> ssl.SSLContext | None:
    """TLS 1.2 and later with the certificate's own key or `tls_key`; None without a certificate.

    Raises ProxyError.
    """
    if serving.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty password fails at once where a key wants one, instead of asking the terminal.
        context.load_cert_chain(serving.tls_cert, serving.tls_key, password="")
    except (OSError, ValueError) as error:
        files = " and ".join(str(path) for path in (serving.tls_cert, serving.tls_key) if path)
        is_format = isinstance(error, ssl.SSLError)
        reason = "no PEM certificate with its key" if is_format else getattr(error, "strerror", None) or error
        raise ProxyError(f"{files} cannot be used for TLS: {reason}") from error
    return context


def parse_trusted_proxies(text: str) -> tuple[str, ...]:
    """`10.0.0.0/8, 192.0.2.7` as its parts. Raises ProxyError for anything that is no address or network."""
    return tuple(_network(part.strip()) for part in text.split(",") if part.strip())


def connections_that_fit(wanted: int) -> int:
    """Raise the limit of open files as far as it goes; `wanted`, or as many connections as fit below it.

    A call takes two files, its connection and the provider's.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + _FILES_OF_OUR_OWN
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(16, (soft - _FILES_OF_OUR_OWN) // 2))


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ProxyError(f"LQO_TRUSTED_PROXIES takes addresses and networks, not {text!r}") from None
    return str(network) if "/" in text else text
