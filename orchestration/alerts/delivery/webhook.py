"""An alert as JSON for programs, signed. docs/channels.md documents its shape; `version` changes with it."""

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from orchestration.alerts.delivery.channel import Parcel

VERSION = 1
SIGNATURE, TIMESTAMP = "X-LQO-Signature", "X-LQO-Timestamp"


def webhook_body(parcel: Parcel) -> bytes:
    """The body: one alert as `{"type": "alert", …}`, several as `{"type": "digest", "alerts": […]}`."""
    told: dict[str, Any] = {
        "version": VERSION,
        "key": parcel.key,
        "repeat": parcel.is_repeat,
        "test": parcel.is_test,
    }
    alerts = [msgspec.to_builtins(message) for message in parcel.messages]
    if len(alerts) == 1:
        return msgspec.json.encode({**told, **alerts[0]})
    return msgspec.json.encode({**told, "type": "digest", "alerts": alerts})


def signature(secret: bytes, body: bytes, *, at: int) -> Mapping[str, str]:
    """Headers by which a receiver knows sender and age: HMAC-SHA256 over `<timestamp>.<body>`.

    `at` is in seconds since 1970; a receiver should refuse what is older than some minutes.
    """
    digest = hmac.digest(secret, str(at).encode() + b"." + body, "sha256").hex()
    return {TIMESTAMP: str(at), SIGNATURE: f"v1={digest}"}
