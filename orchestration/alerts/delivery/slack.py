"""An alert as Slack's Block Kit JSON (https://docs.slack.dev/reference/block-kit/blocks).

Limits: 50 blocks, 150 characters of a header, 3,000 of a section, 2,000 of a field, 10 fields.
"""

from collections.abc import Callable, Sequence
from typing import Any

from orchestration.alerts.delivery import words
from orchestration.alerts.delivery.channel import Parcel
from orchestration.alerts.delivery.text import fitted, one_line, web_url
from orchestration.alerts.message import AlertMessage, Link

Block = dict[str, Any]
ChartUrl = Callable[[AlertMessage], str | None]

LONGEST_HEADER, LONGEST_SECTION, LONGEST_FALLBACK = 150, 2_900, 400
LONGEST_DIGEST_LINE = 350
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def slack_payload(parcel: Parcel, *, chart_url: ChartUrl | None = None) -> dict[str, Any]:
    """The webhook's body: a header above a coloured bar of blocks, `text` for notifications.

    Without a `chart_url` (or where it gives None) the chart is a line of bars in the text.
    """
    messages = parcel.messages
    if len(messages) == 1:
        (message,) = messages
        title = words.headline(message, is_test=parcel.is_test)
        fallback = words.line(message, is_test=parcel.is_test)
        blocks = _blocks(message, chart=chart_url(message) if chart_url else None)
    else:
        title, blocks = words.digest_headline(messages), _digest_blocks(messages)
        fallback = f"{title}: {words.body(messages[0])}"
    notes = [words.TEST] * parcel.is_test + [words.REPEAT] * parcel.is_repeat
    blocks = [*(_context(escaped(note)) for note in notes), *blocks]
    return {
        "text": escaped(one_line(fallback, most=LONGEST_FALLBACK)),
        "blocks": [_header(title)],
        "attachments": [{"color": f"#{words.colour(messages):06x}", "blocks": blocks}],
        "metadata": _metadata(parcel),
    }


def escaped(text: str) -> str:
    """Slack reads `&`, `<` and `>` as markup, mentions among it; a model's name may hold them."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _blocks(message: AlertMessage, *, chart: str | None) -> list[Block]:
    blocks = [_plain(words.body(message), most=LONGEST_SECTION)]
    if message.summary and message.message:
        blocks.append(_context(f"Rule: {_styled(one_line(message.summary, most=500))}"))
    fields = [_mrkdwn(f"*{_styled(name)}*\n{_styled(value)}") for name, value in words.facts(message)]
    blocks.append({"type": "section", "fields": fields})
    if chart is not None:
        alt = one_line(f"{message.rule} · {message.group_key}", most=200)
        blocks.append({"type": "image", "image_url": chart, "alt_text": alt})
    elif (bars := words.sparkline(message.points)) is not None:
        blocks.append(_section(f"`{bars}`\n{_styled(words.range_words(message))}"))
    if links := _links(message):
        blocks.append(_section(links))
    return [*blocks, _context(escaped(words.identity(message)))]


def _digest_blocks(messages: Sequence[AlertMessage]) -> list[Block]:
    """Each alert a line, as many lines a section as it holds."""
    sections: list[str] = []
    for message in messages:
        line = fitted(
            one_line(words.line(message), most=LONGEST_DIGEST_LINE), 2 * LONGEST_DIGEST_LINE, escape=_style
        )
        if sections and len(sections[-1]) + len(line) < LONGEST_SECTION:
            sections[-1] += f"\n{line}"
        else:
            sections.append(line)
    return [_context(words.DIGEST), *map(_section, sections)]


def _links(message: AlertMessage) -> str:
    runbook = [Link("Runbook", message.runbook)] if message.runbook else []
    found: list[str] = []
    for link in (*message.links, *runbook):
        if (url := web_url(link.url)) is None:
            continue
        # `|` and `>` would end the link; web_url has encoded both.
        one = f"<{escaped(url)}|{_styled(one_line(link.title, most=80)) or 'link'}>"
        if sum(map(len, found)) + len(one) + 3 * len(found) <= LONGEST_SECTION:
            found.append(one)
    return " · ".join(found)


def _metadata(parcel: Parcel) -> dict[str, Any]:
    first = parcel.messages[0]
    told: dict[str, Any] = {"event_id": parcel.key, "is_repeat": parcel.is_repeat}
    if len(parcel.messages) == 1:
        told |= {"rule": one_line(first.rule, most=200), "group": one_line(first.group_key, most=500)}
        return {"event_type": f"lqo_alert_{first.transition}", "event_payload": told}
    told["event_ids"] = [str(message.event_id) for message in parcel.messages]
    return {"event_type": "lqo_alert_digest", "event_payload": told}


def _header(text: str) -> Block:
    return {
        "type": "header",
        "text": {"type": "plain_text", "text": fitted(text, LONGEST_HEADER), "emoji": True},
    }


def _plain(text: str, *, most: int) -> Block:
    """A section that Slack shows as it is: no mention, link or style in it works."""
    return {
        "type": "section",
        "text": {"type": "plain_text", "text": fitted(text, most) or "…", "emoji": False},
    }


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _mrkdwn(text: str) -> dict[str, Any]:
    """Verbatim: Slack makes no links and mentions out of what looks like them."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _styled(text: str) -> str:
    return "".join(map(_style, text))


def _style(character: str) -> str:
    """Markup escaped, and the signs of bold, strike and code followed by a joiner that shows as nothing.

    `_` is left alone: it slants only whole words, and models' names are full of it.
    """
    return f"{character}\u2060" if character in "*~`" else _ESCAPES.get(character, character)
