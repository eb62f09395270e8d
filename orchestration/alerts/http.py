"""One JSON POST, and what came back."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """`status` is 0 where no reply came; `retry_after` is in seconds, where the server asks for it."""

    status: int
    detail: str
    retry_after: float | None = None

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300


class Http(Protocol):
    """How a message leaves: a test hands in its own."""

    def __call__(self, url: str, *, body: object, headers: Mapping[str, str]) -> Reply: ...


def post_json(url: str, *, body: object, headers: Mapping[str, str]) -> Reply:
    """POST `body` as JSON; never raises for what the network or the server does."""
    if not url.startswith(("http://", "https://")):
        return Reply(0, "the webhook is not an http(s) URL")
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return Reply(response.status, "")
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, f"HTTP {error.code}", _seconds(error.headers.get("Retry-After")))
    except (OSError, ValueError) as error:
        return Reply(0, " ".join(str(error).split())[:200])


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is treated as absent."""
    return float(text) if text and text.isdigit() else None
