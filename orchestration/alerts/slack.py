"""An alert as Slack's Block Kit JSON (https://api.slack.com/block-kit)."""

from datetime import datetime
from typing import Any

_HEADLINES = {"firing": "🔴 Firing", "resolved": "🟢 Resolved", "changed": "🔵 Changed"}


def slack_message(
    *,
    event_id: str,
    rule: str,
    group: str,
    transition: str,
    severity: str,
    message: str,
    happened_at: datetime,
) -> dict[str, Any]:
    """The webhook's body: `text` for notifications, blocks for the channel, the event id for matching."""
    title = f"{_HEADLINES[transition]}: {rule} · {group}"
    context = f"severity {severity} · {happened_at:%Y-%m-%d %H:%M} UTC · event {event_id}"
    return {
        "text": f"{title}: {message}",
        "blocks": [
            # A header holds at most 150 characters of plain text.
            {"type": "header", "text": {"type": "plain_text", "text": title[:150], "emoji": True}},
            {"type": "section", "text": {"type": "mrkdwn", "text": escaped(message)}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": escaped(context)}]},
        ],
        "metadata": {
            "event_type": f"lqo_alert_{transition}",
            "event_payload": {"event_id": event_id, "rule": rule, "group": group},
        },
    }


def escaped(text: str) -> str:
    """Slack reads `&`, `<` and `>` as markup; a model's name may hold them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
