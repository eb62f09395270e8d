"""One POST, and what came back: no redirects, bounded waits, plain HTTP only where it is meant."""

import contextlib
import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from orchestration.alerts.delivery.channel import Reply, http_reply
from orchestration.alerts.delivery.text import one_line

TIMEOUT_SECONDS = 10.0
"""For connecting, for sending, and for the answer's head: a server that drips bytes gets no more."""
MOST_ANSWER = 2_000


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    allow_http: bool = False,
    timeout: float = TIMEOUT_SECONDS,
) -> Reply:
    """POST `body`; never raises for what the network or the server does.

    Plain HTTP leads to this machine alone, unless `allow_http`. Proxies of the environment are used.
    """
    if (reason := why_not(url, allow_http=allow_http)) is not None:
        return Reply(0, reason)
    request = urllib.request.Request(
        url,
        data=body,
        headers={"Content-Type": "application/json", "User-Agent": "llm-quality-observer", **headers},
        method="POST",
    )
    try:
        with _opener().open(request, timeout=timeout) as response:
            return http_reply(response.status, answer=_said(response))
    except urllib.error.HTTPError as error:
        with error:
            after = retry_seconds(error.headers.get("Retry-After"))
            return http_reply(error.code, answer=_said(error), retry_after=after)
    except urllib.error.URLError as error:
        # Raised while it connects or sends: the receiver has no whole message.
        return Reply(0, one_line(str(error.reason), most=200) or "no connection")
    except (OSError, http.client.HTTPException) as error:
        # Sent, and then no answer: nobody knows whether it was taken.
        told = one_line(str(error), most=200) or type(error).__name__
        return Reply(0, f"no answer: {told}", is_uncertain=True)
    except ValueError as error:
        return Reply(0, one_line(str(error), most=200))


def why_not(url: str, *, allow_http: bool) -> str | None:
    """Why nothing is posted there, in a line without the URL, which is a secret; None: it may be."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "the webhook is not an http(s) URL"
    # The errors of the client would tell of a character that does not belong there with all of the URL.
    is_clean = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not host or port == 0 or not is_clean:
        return "the webhook is not an http(s) URL"
    if parts.username is not None or parts.password is not None:
        return "the webhook's URL has a user name or password in it"
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        return "plain http leads off this machine: use https, or say allow_http"
    return None


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine, without asking a name server."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def retry_seconds(text: str | None, *, now: datetime | None = None) -> float | None:
    """Retry-After in seconds: a number, or a date (RFC 9110, 10.2.3); None where it says neither."""
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    with contextlib.suppress(ValueError):
        moment = parsedate_to_datetime(text)
        at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
    return None


def _said(response: Any) -> str:
    """The body's beginning in a line: one read, since who drips it must not hold the sender."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        return one_line(response.read1(MOST_ANSWER).decode("utf-8", "replace"), most=200)
    return ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry a message and its signature to a place that nobody has reviewed."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Bounded(http.client.HTTPConnection):
    """The head of the answer must be there in time, however slowly it drips."""

    def getresponse(self) -> http.client.HTTPResponse:
        sock = self.sock
        watch = threading.Timer(self.timeout or TIMEOUT_SECONDS, _cut, [sock])
        watch.daemon = True
        watch.start()
        try:
            return super().getresponse()
        finally:
            watch.cancel()


class _BoundedTls(_Bounded, http.client.HTTPSConnection):
    """The same over TLS."""


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Bounded, req)  # pyright: ignore[reportArgumentType]


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_BoundedTls, req)  # pyright: ignore[reportArgumentType]


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect, _Http, _Https)


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
