"""What goes out fits its receiver's limits and does nothing there but be read, whatever a name holds."""

import hmac
import json
import re
from collections.abc import Iterator
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest

from orchestration.alerts.delivery import words
from orchestration.alerts.delivery.channel import Parcel
from orchestration.alerts.delivery.discord import discord_payload
from orchestration.alerts.delivery.letter import alert_mail, html_of, text_of
from orchestration.alerts.delivery.mail import MailSettings
from orchestration.alerts.delivery.outbox import fit
from orchestration.alerts.delivery.slack import slack_payload
from orchestration.alerts.delivery.text import fitted, one_line, units, web_url
from orchestration.alerts.delivery.webhook import signature, webhook_body
from orchestration.alerts.message import AlertMessage, Point
from tests.orchestration.delivery.messages import HOSTILE, NOON, alert, hostile_alert

SETTINGS = MailSettings("mail.example.com", 587, "starttls", "LQO <lqo@example.com>", ("a@example.com",))
PARCELS = {
    "one": Parcel("k", (alert(),)),
    "hostile": Parcel("k", (fit(hostile_alert()),), is_repeat=True, is_test=True),
    "digest": Parcel("k", tuple(alert(n) for n in range(40)), is_repeat=True),
    "hostile digest": Parcel("k", (fit(hostile_alert()),) * 40),
}
each = pytest.mark.parametrize("parcel", PARCELS.values(), ids=PARCELS.keys())


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


@each
def test_slack_fits_its_limits_and_pings_nobody(parcel: Parcel) -> None:
    payload = slack_payload(parcel)
    [attachment] = payload["attachments"]
    blocks = [*payload["blocks"], *attachment["blocks"]]
    assert len(blocks) <= 50
    for block in blocks:
        assert len(block.get("fields", [])) <= 10
        parts = [*block.get("fields", []), *block.get("elements", []), block.get("text")]
        for text in filter(None, parts):
            most = {"header": 150, "context": 3000}.get(
                block["type"], 3000 if text is block.get("text") else 2000
            )
            assert 0 < units(text["text"]) <= most
            if text["type"] == "mrkdwn":
                assert text["verbatim"] is True
                assert not re.search(r"<(?!https://)", text["text"]), "only links of ours are markup"
    assert "<" not in payload["text"]
    assert not re.search("[\x00\x1b\u202e\ud800-\udfff]", "".join(texts(payload)))
    json.dumps(payload, ensure_ascii=False).encode()


@each
def test_discord_fits_its_limits_and_pings_nobody(parcel: Parcel) -> None:
    payload = discord_payload(parcel)
    assert payload["allowed_mentions"] == {"parse": []}
    [embed] = payload["embeds"]
    assert units(embed["title"]) <= 256 and units(embed["description"]) <= 4096
    fields = embed.get("fields", [])
    assert len(fields) <= 25
    for field in fields:
        assert 0 < units(field["name"]) <= 256 and 0 < units(field["value"]) <= 1024
    counted = [embed["title"], embed["description"], embed["footer"]["text"]]
    counted += [text for field in fields for text in (field["name"], field["value"])]
    assert sum(map(units, counted)) <= 6000
    json.dumps(payload, ensure_ascii=False).encode()


def test_discord_shows_markdown_and_mentions_as_they_are() -> None:
    [embed] = discord_payload(Parcel("k", (alert(message="*a* @everyone <@1> [x](https://e.example)"),)))[
        "embeds"
    ]
    assert embed["description"] == r"\*a\* \@everyone \<\@1\> \[x\](https\://e.example)"


@pytest.mark.parametrize("render", [slack_payload, discord_payload, text_of, html_of])
@pytest.mark.parametrize("name", ["digest", "hostile digest"])
def test_a_digest_leaves_none_out(render: Any, name: str) -> None:
    told = "\n".join(texts(render(PARCELS[name])))
    assert words.DIGEST in told
    assert told.count("🔴") == 40


class Tags(HTMLParser):
    """What a mail reader would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.said = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.said += data


@each
def test_html_mail_has_no_tag_or_attribute_of_others(parcel: Parcel) -> None:
    page = Tags(html_of(parcel))
    assert not page.found & {"script", "iframe", "object", "form", "style", "link"}
    assert not {name for name in page.attributes if name.startswith("on")}
    assert all(link.startswith("https://") for link in page.links)


def test_what_is_hostile_is_still_told() -> None:
    page = Tags(html_of(PARCELS["hostile"]))
    assert "<script>alert(1)</script>" in page.said and "한국어 🙂" in page.said
    assert "<script>alert(1)</script>" in text_of(PARCELS["hostile"])


def test_a_mail_has_both_texts_the_picture_and_no_header_of_others() -> None:
    mail = alert_mail(PARCELS["hostile"], settings=SETTINGS, chart=b"\x89PNG")
    assert mail["Bcc"] is None and "\n" not in mail["Subject"]
    assert len(mail.as_bytes()) < 200_000
    assert mail["Message-ID"] == "<k@example.com>" and mail["X-LQO-Repeat"] == "possible"
    assert "possibly a repeat" in mail["Subject"] or len(mail["Subject"]) <= 160
    html = mail.get_body(("html",))
    assert isinstance(html, EmailMessage)
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]
    assert 'src="cid:chart"' in html.get_content()
    assert [part["Content-ID"] for part in mail.walk() if part.get_content_type() == "image/png"] == [
        "<chart>"
    ]


def test_all_mails_of_an_alert_are_one_thread() -> None:
    first = alert_mail(Parcel("a", (alert(),)), settings=SETTINGS)
    second = alert_mail(Parcel("b", (alert(transition="resolved"),)), settings=SETTINGS)
    assert first["References"] == second["References"] and first["Message-ID"] != second["Message-ID"]


def test_a_message_says_what_how_bad_since_when_who_and_where() -> None:
    told = "\n".join(texts(slack_payload(PARCELS["one"])))
    for part in ("60.0%", "25.0%", "100 calls", "2026-11-22 11:25 UTC (35 min)", "search", "critical"):
        assert part in told
    assert "<https://lqo.example/d/quality?var-model=g0&amp;from=now-24h|Dashboard>" in told
    assert "<https://lqo.example/runbook|Runbook>" in told
    assert "▁" in told and "█" in told


def test_slack_shows_a_picture_where_there_is_an_address_for_it() -> None:
    payload = slack_payload(PARCELS["one"], chart_url=lambda message: f"https://x.example/{message.event_id}")
    images = [block for block in payload["attachments"][0]["blocks"] if block["type"] == "image"]
    assert [image["image_url"] for image in images] == [f"https://x.example/{alert().event_id}"]


def test_a_colour_is_of_the_worst_that_is_open() -> None:
    warning, good = alert(1, severity="warning"), alert(2, transition="resolved")
    assert words.colour([warning, good]) == words.COLOURS["warning"]
    assert words.colour([good]) == words.GOOD_COLOUR
    assert slack_payload(Parcel("k", (warning,)))["attachments"][0]["color"] == "#dc6803"


def test_a_repeat_and_a_test_say_so_everywhere() -> None:
    parcel = Parcel("k", (alert(),), is_repeat=True, is_test=True)
    bodies = ["\n".join(texts(render(parcel))) for render in (slack_payload, discord_payload)]
    for body in (*bodies, text_of(parcel), html_of(parcel)):
        assert words.REPEAT in body and words.TEST in body and "TEST" in body
    told = json.loads(webhook_body(parcel))
    assert told["repeat"] is True and told["test"] is True


def test_the_webhook_is_whole_and_signed() -> None:
    body = webhook_body(PARCELS["one"])
    told = json.loads(body)
    assert (told["version"], told["type"], told["key"], told["repeat"]) == (1, "alert", "k", False)
    assert (told["rule"], told["value"], told["happened_at"]) == (
        "failing_share",
        0.6,
        "2026-11-22T12:00:00Z",
    )
    headers = signature(b"secret", body, at=1_800_000_000)
    expected = hmac.new(b"secret", b"1800000000." + body, "sha256").hexdigest()
    assert headers == {"X-LQO-Timestamp": "1800000000", "X-LQO-Signature": f"v1={expected}"}
    digest = json.loads(webhook_body(PARCELS["digest"]))
    assert digest["type"] == "digest" and len(digest["alerts"]) == 40


@pytest.mark.parametrize("value", [None, 0.0, 1.0])
def test_bars_need_two_values(value: float | None) -> None:
    points = [Point(NOON, value), Point(NOON, None)]
    assert words.sparkline(points) is None
    assert words.sparkline([*points, Point(NOON, 2.0)] if value is None else points[1:]) is None


def test_bars_keep_their_gaps() -> None:
    values = (0.0, None, 1.0, 0.5)
    assert words.sparkline([Point(NOON, value) for value in values]) == "▁ █▅"
    assert words.sparkline([Point(NOON, 3.0)] * 3) == "▁▁▁"


def test_a_text_is_cut_by_what_a_receiver_counts_and_never_inside_an_escape() -> None:
    assert fitted("🙂🙂🙂", 5) == "🙂🙂…"
    assert fitted("abc", 3) == "abc"
    assert fitted("a<b", 6, escape=lambda one: {"<": "&lt;"}.get(one, one)) == "a&lt;b"
    assert fitted("a<bc", 5, escape=lambda one: {"<": "&lt;"}.get(one, one)) == "a…"
    assert one_line(HOSTILE, most=40).count("\n") == 0
    assert units(one_line("🙂" * 1_000_000, most=100)) <= 100


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/x?a=1&b=[2]", "https://a.example/x?a=1&b=[2]"),
        ("https://a.example/>|<x>", "https://a.example/%3E%7C%3Cx%3E"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://", None),
        ("http://[::1", None),
        ("https://a.example/" + "x" * 3000, None),
    ],
)
def test_only_addresses_of_the_web_become_links(url: str, expected: str | None) -> None:
    assert web_url(url) == expected


def test_a_message_without_figures_is_still_one() -> None:
    bare = AlertMessage(
        **{
            **{name: getattr(alert(), name) for name in AlertMessage.__struct_fields__},
            **{"value": None, "threshold": None, "n": None, "points": [], "links": [], "runbook": None},
            **{"transition": "failed", "group_key": "", "group": {}, "owner": "", "message": ""},
        }
    )
    parcel = Parcel("k", (bare,))
    for render in (slack_payload, discord_payload, text_of, html_of):
        assert "nobody" in "\n".join(texts(render(parcel)))
