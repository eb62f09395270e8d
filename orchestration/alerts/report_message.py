"""A report's week as Slack's Block Kit JSON."""

from typing import Any

from orchestration.alerts.delivery.slack import escaped
from reports.weekly import wording
from reports.weekly.figures import Figures
from reports.weekly.headlines import headlines

MARKS = {"bad": "🔴", "good": "🟢", "plain": "•"}
# A section holds 3,000 characters, and the fallback should stay readable in a notification.
LONGEST_SECTION = 2_900
LONGEST_TEXT = 300


def weekly_slack_message(figures: Figures, *, event_id: str) -> dict[str, Any]:
    """The webhook's body: the headlines, and below them what they rest on."""
    week, told = figures.week, headlines(figures)
    title = f"LLM quality, {week}: {week.span}"
    lines = [f"{MARKS[one.tone]} {escaped(one.text)}" for one in told]
    context = (
        f"{wording.rule_sets(figures.failing.versions)} · made {figures.made_at:%Y-%m-%d %H:%M} UTC · "
        f"`lqo report weekly --week {week}` writes the page"
    )
    return {
        "text": f"{title}. {told[0].text}"[:LONGEST_TEXT],
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title[:150], "emoji": True}},
            {"type": "section", "text": {"type": "mrkdwn", "text": _fitting(lines)}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": escaped(context)}]},
        ],
        "metadata": {
            "event_type": "lqo_weekly_report",
            "event_payload": {"event_id": event_id, "week": str(week)},
        },
    }


def _fitting(lines: list[str]) -> str:
    """Whole lines, as many as fit; a line cut in the middle could end in half an escape."""
    kept: list[str] = []
    for line in lines:
        if sum(map(len, kept)) + len(kept) + len(line) > LONGEST_SECTION:
            kept.append("…")
            break
        kept.append(line)
    return "\n".join(kept)
