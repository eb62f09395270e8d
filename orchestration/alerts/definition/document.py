"""A rule as docs/alerting.md tells it; a test holds the document to be this."""

import textwrap

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.definition.words import condition_words, metric_words, window_words

WIDTH = 120


def rule_section(rule: Rule) -> str:
    """The heading, what it says, its numbers, its reason and its limits, as Markdown."""
    least = f", with at least {rule.minimum_n} calls" if rule.minimum_n else ""
    facts = {
        "measures": f"{metric_words(rule)}, over {window_words(rule)}",
        "fires": condition_words(rule) + least,
        "per": ", ".join(rule.group_by) or "(all)",
        "after": " and ".join(_times(rule)) or "at once",
        "told as": f"{rule.severity}, to {rule.owner}",
    }
    rows = "\n".join(f"| {name} | {_cell(text)} |" for name, text in facts.items())
    return "\n\n".join(
        (
            f"### {rule.name}",
            textwrap.fill(rule.summary, WIDTH),
            f"| | |\n|---|---|\n{rows}",
            textwrap.fill(f"**Why:** {rule.why}", WIDTH),
            textwrap.fill(f"**Limits:** {rule.limits}", WIDTH),
        )
    )


def _times(rule: Rule) -> list[str]:
    held = [f"{rule.hold} of breach"] if rule.hold else []
    kept = [f"fires on for {rule.keep_firing}"] if rule.keep_firing else []
    return held + kept


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
