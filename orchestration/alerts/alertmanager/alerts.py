"""Our alerts as Alertmanager's API takes them (v2, `postableAlerts`)."""

from datetime import datetime, timedelta
from typing import Any

from orchestration.alerts.message import AlertMessage

LIFE = timedelta(minutes=5)
"""Until when an alert fires unless it is posted again: five of the sender's beats."""
LONGEST_TEXT = 4000
FINGERPRINT = "lqo_fingerprint"
_OURS = frozenset({"alertname", "severity", "owner", "source", FINGERPRINT})


def postable(message: AlertMessage, *, now: datetime) -> dict[str, Any]:
    """One alert. Its labels say which it is, so they are the same for all transitions of a rule and group.

    What fires ends `LIFE` from `now`; what has resolved ended when it did; what merely happened (a change, a
    failed run) fires for `LIFE` once, and ends by itself.
    """
    is_lasting = message.transition in ("firing", "resolved")
    ends_at = message.happened_at if message.transition == "resolved" else now + LIFE
    starts_at = min(message.since if is_lasting else message.happened_at, ends_at)
    urls = [link.url for link in message.links if link.url.startswith(("http://", "https://"))]
    return {
        "labels": labels_of(message),
        "annotations": _annotations(message),
        "startsAt": starts_at.isoformat(),
        "endsAt": ends_at.isoformat(),
    } | ({"generatorURL": urls[0]} if urls else {})


def labels_of(message: AlertMessage) -> dict[str, str]:
    """Rule, group, severity, owner, and the rule's own labels; a name of ours gets `group_` before it."""
    named = {**message.labels, **message.group}
    theirs = {f"group_{name}" if name in _OURS else name: _text(value) for name, value in named.items()}
    return {
        # An empty label is none to Alertmanager, and two groups would be one.
        **{name: value or "(empty)" for name, value in theirs.items()},
        "alertname": message.rule,
        "severity": message.severity,
        "owner": _text(message.owner) or "nobody",
        "source": "marts",
        FINGERPRINT: message.fingerprint,
    }


def _annotations(message: AlertMessage) -> dict[str, str]:
    said = {
        "summary": message.summary or f"{message.rule}: {message.group_key}",
        "description": message.message,
        "runbook_url": message.runbook,
        "value": _number(message.value),
        "threshold": _number(message.threshold),
        "baseline": _number(message.baseline),
        "unit": message.unit,
        "n": None if message.n is None else str(message.n),
        "transition": message.transition,
        "event_id": str(message.event_id),
    }
    return {name: _text(value) for name, value in said.items() if value}


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"


def _text(value: str) -> str:
    """UTF-8 that any store takes, and not a megabyte of it."""
    clean = value.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= LONGEST_TEXT else f"{clean[: LONGEST_TEXT - 1]}…"
