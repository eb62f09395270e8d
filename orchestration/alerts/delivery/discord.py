"""An alert as a Discord webhook's message (https://discord.com/developers/docs/resources/webhook).

Limits: content 2,000 characters; an embed's title 256, description 4,096, 25 fields of 256 and 1,024, footer
2,048; all embeds of a message 6,000 together.
"""

from collections.abc import Sequence
from typing import Any

from orchestration.alerts.delivery import words
from orchestration.alerts.delivery.channel import Parcel
from orchestration.alerts.delivery.text import fitted, one_line, units, web_url
from orchestration.alerts.message import AlertMessage, Link

CHART = "chart.png"
LONGEST_TITLE, LONGEST_DESCRIPTION, LONGEST_DIGEST, LONGEST_LINKS = 256, 1_800, 3_900, 900
LONGEST_NAME, LONGEST_VALUE, LONGEST_FOOTER = 80, 200, 300
_SIGNS = frozenset("\\*_~`|>#[]<@:")


def discord_payload(parcel: Parcel, *, has_chart: bool = False) -> dict[str, Any]:
    """The message's JSON. Nobody is pinged, whatever a name in it says.

    `has_chart`: the request carries a file `chart.png`, which the embed shows.
    """
    messages = parcel.messages
    embed = (
        _embed(messages[0], is_test=parcel.is_test, has_chart=has_chart)
        if len(messages) == 1
        else _digest(messages)
    )
    notes = [words.TEST] * parcel.is_test + [words.REPEAT] * parcel.is_repeat
    footer = " ".join([*notes, f"key {parcel.key}"])
    return {
        "content": "",
        "embeds": [
            {
                **embed,
                "color": words.colour(messages),
                "footer": {"text": fitted(footer, LONGEST_FOOTER)},
                "timestamp": messages[-1].happened_at.isoformat(),
            }
        ],
        "allowed_mentions": {"parse": []},
    }


def escaped(character: str) -> str:
    """Discord's Markdown, mentions and links, made plain."""
    return f"\\{character}" if character in _SIGNS else character


def _embed(message: AlertMessage, *, is_test: bool, has_chart: bool) -> dict[str, Any]:
    embed: dict[str, Any] = {
        "title": _safe(words.headline(message, is_test=is_test), most=LONGEST_TITLE),
        "description": _safe(words.body(message), most=LONGEST_DESCRIPTION),
        "fields": [
            {
                "name": _safe(name, most=LONGEST_NAME),
                "value": _safe(value, most=LONGEST_VALUE),
                "inline": True,
            }
            for name, value in words.facts(message)
        ],
    }
    if has_chart:
        embed["image"] = {"url": f"attachment://{CHART}"}
    elif (bars := words.sparkline(message.points)) is not None:
        embed["fields"].append({"name": words.range_words(message), "value": f"`{bars}`", "inline": False})
    if links := _links(message):
        embed["fields"].append({"name": "Look", "value": links, "inline": False})
    return embed


def _digest(messages: Sequence[AlertMessage]) -> dict[str, Any]:
    """Every alert a line of its share of the description, so that none is left out."""
    share = (LONGEST_DIGEST - len(words.DIGEST)) // len(messages) - 1
    lines = [_safe(words.line(one), most=min(share, 300)) for one in messages]
    return {
        "title": words.digest_headline(messages),
        "description": "\n".join([words.DIGEST, *lines]),
    }


def _links(message: AlertMessage) -> str:
    runbook = [Link("Runbook", message.runbook)] if message.runbook else []
    found: list[str] = []
    for link in (*message.links, *runbook):
        if (url := web_url(link.url)) is None:
            continue
        # A bracket would end the link early.
        target = url.replace("(", "%28").replace(")", "%29")
        one = f"[{_safe(one_line(link.title, most=80) or 'link', most=160)}](<{target}>)"
        if sum(map(units, found)) + units(one) + 3 * len(found) <= LONGEST_LINKS:
            found.append(one)
    return " · ".join(found)


def _safe(text: str, *, most: int) -> str:
    return fitted(text, most, escape=escaped)
