"""The pictures of docs/images: a message of each channel as its receiver shows it, in a real Chromium.

    python -m tests.orchestration.delivery.pictures           # writes alert-slack.png and alert-email.png

Slack's Block Kit JSON is drawn by a page that knows what we use of it; the e-mail is the HTML that is sent,
its picture put in for its cid. Coloured dots are drawn, as not every machine has a font of emoji.
"""

import base64
import re
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from orchestration.alerts.delivery.channel import Parcel
from orchestration.alerts.delivery.chart import chart_of
from orchestration.alerts.delivery.letter import alert_mail
from orchestration.alerts.delivery.mail import MailSettings
from orchestration.alerts.delivery.slack import slack_payload
from orchestration.alerts.message import AlertMessage, Link, Point
from tests.conftest import REPOSITORY
from tests.orchestration.delivery.messages import alert

CHROMIUM = "chromium"
DOTS = {"🔴": "#dd2e44", "🟠": "#f4900c", "🔵": "#55acee", "🟢": "#78b159"}
NOW = datetime(2026, 11, 22, 21, 35, tzinfo=UTC)
SHARES = (
    *(0.031, 0.028, 0.034, 0.030, 0.027, 0.036, 0.033, 0.029, None, 0.031, 0.035, 0.030, 0.028),
    *(0.032, 0.030, 0.041, 0.038, 0.062, 0.118, 0.204, 0.287, 0.341, 0.352, 0.364),
)
SETTINGS = MailSettings("mail.example.com", 587, "starttls", "LQO <lqo@example.com>", ("team@example.com",))
STYLE = """
body { margin: 0; padding: 20px 24px; background: #fff; color: #1d1c1d; width: 672px;
  font: 15px/1.46 'Lato', 'Helvetica Neue', Arial, 'Noto Color Emoji', sans-serif; }
.post { display: grid; grid-template-columns: 44px 1fr; gap: 4px 8px; margin-bottom: 20px }
.face { width: 36px; height: 36px; border-radius: 6px; background: #175cd3; color: #fff; font-weight: 700;
  display: grid; place-items: center; font-size: 13px }
.name { font-weight: 900 } .app { font-size: 10px; background: #e8e8e8; padding: 1px 3px; border-radius: 2px }
.time { color: #616061; font-size: 12px; margin-left: 4px }
h2 { font-size: 18px; line-height: 1.3; margin: 4px 0 8px; font-weight: 900; overflow-wrap: anywhere }
.bar { border-left: 4px solid; border-radius: 4px; padding: 2px 0 2px 14px }
.section { margin: 8px 0; white-space: pre-wrap; overflow-wrap: anywhere }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; margin: 8px 0 }
.fields div { white-space: pre-wrap; overflow-wrap: anywhere }
.context { color: #616061; font-size: 12.5px; margin: 6px 0; overflow-wrap: anywhere }
img { max-width: 480px; border: 1px solid #ddd; border-radius: 8px; display: block; margin: 8px 0 }
code { background: #f8f8f8; border: 1px solid #ddd; border-radius: 3px; padding: 1px 4px; color: #c01343;
  white-space: pre }
a { color: #1264a3; text-decoration: none }
"""


def main() -> None:
    """Write both pictures."""
    images = REPOSITORY / "docs" / "images"
    draw(slack_page(), images / "alert-slack.png", width=720, height=1425)
    draw(email_page(), images / "alert-email.png", width=660, height=760)


def example(*, n: int = 1204, **given: Any) -> AlertMessage:
    """The alert of the pictures."""
    points = [Point(NOW - timedelta(hours=len(SHARES) - n), value) for n, value in enumerate(SHARES)]
    known: dict[str, Any] = {
        "group_key": "gpt-4o-mini · project=checkout",
        "group": {"model": "gpt-4o-mini", "project": "checkout"},
        "happened_at": NOW,
        "since": NOW - timedelta(minutes=48),
        "summary": "More than a quarter of a model's calls fail a rule check, beyond doubt.",
        "message": "gpt-4o-mini: 36.4% of 1,204 calls failed in the last 24 h "
        "(95 % interval 33.7%–39.1%, threshold 25%)",
        "value": 0.364,
        "threshold": 0.25,
        "baseline": 0.031,
        "owner": "search-team",
        "fingerprint": "9f2c4b7a1d0e8a63",
        "labels": {"tier": "gold"},
        "links": [
            Link("Dashboard", "https://grafana.example/d/lqo-quality?var-model=gpt-4o-mini"),
            Link("Console", "https://lqo.example/console/calls?model=gpt-4o-mini"),
            Link("Dagster run", "https://dagster.example/runs/5d2f1c3e"),
            Link("Query", "https://grafana.example/explore?left=calls"),
        ],
        "runbook": "https://wiki.example/runbooks/failing-share",
        "points": points,
    }
    return msgspec.structs.replace(alert(**known | given), n=n)


def slack_page() -> str:
    """An alert with its picture, its end, and a digest."""
    firing = example()
    chart = chart_of(firing)
    assert chart is not None
    url = "data:image/png;base64," + base64.b64encode(chart).decode()
    resolved = example(
        transition="resolved",
        happened_at=NOW + timedelta(hours=2),
        value=0.042,
        n=1377,
        message="gpt-4o-mini: 4.2% of 1,377 calls failed in the last 24 h, below 20%",
    )
    flood = tuple(
        example(
            group_key=f"user=u{n}", severity=severity, message=f"u{n}: {n * 7}% of {n * 31} calls refused"
        )
        for n, severity in enumerate(("critical", "warning", "warning", "info"), start=3)
    )
    parcels = (Parcel("a", (firing,)), Parcel("b", (resolved,), is_repeat=True), Parcel("c", flood))
    urls = (url, None, None)
    posts = [
        _post(slack_payload(one, chart_url=lambda _, shown=shown: shown), f"{9 + n}:3{n} PM")
        for n, (one, shown) in enumerate(zip(parcels, urls, strict=True))
    ]
    return _dots(f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{''.join(posts)}")


def email_page() -> str:
    """The HTML part of the mail as it is sent."""
    message = example()
    chart = chart_of(message)
    mail = alert_mail(Parcel(str(message.event_id), (message,)), settings=SETTINGS, chart=chart)
    html = mail.get_body(("html",))
    assert isinstance(html, EmailMessage) and chart is not None
    picture = f"data:image/png;base64,{base64.b64encode(chart).decode()}"
    return _dots(html.get_content().replace("cid:chart", picture))


def draw(page: str, to: Path, *, width: int, height: int) -> None:
    """A screenshot of the page; Chromium asks nobody."""
    with tempfile.TemporaryDirectory(prefix="lqo-picture-") as folder:
        file = Path(folder) / "page.html"
        file.write_text(page)
        command = [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--force-device-scale-factor=2",
        ]
        command += [f"--user-data-dir={folder}/profile", f"--window-size={width},{height}"]
        command += [f"--screenshot={to}", file.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def _post(payload: dict[str, Any], time: str) -> str:
    [attachment] = payload["attachments"]
    top = "".join(map(_block, payload["blocks"]))
    inside = "".join(map(_block, attachment["blocks"]))
    return (
        '<div class="post"><div class="face">LQO</div><div>'
        '<span class="name">LLM Quality Observer</span> <span class="app">APP</span>'
        f'<span class="time">{time}</span>'
        f'{top}<div class="bar" style="border-color:{attachment["color"]}">{inside}</div></div></div>'
    )


def _dots(page: str) -> str:
    style = "display:inline-block;width:.72em;height:.72em;border-radius:50%"
    for mark, colour in DOTS.items():
        page = page.replace(mark, f'<span style="{style};background:{colour}"></span>')
    return page


def _block(block: dict[str, Any]) -> str:
    match block["type"]:
        case "header":
            return f"<h2>{escape(block['text']['text'])}</h2>"
        case "section" if "fields" in block:
            return (
                f'<div class="fields">{"".join(f"<div>{_text(one)}</div>" for one in block["fields"])}</div>'
            )
        case "section":
            return f'<div class="section">{_text(block["text"])}</div>'
        case "context":
            return f'<div class="context">{" ".join(map(_text, block["elements"]))}</div>'
        case "image":
            return f'<img src="{escape(block["image_url"])}" alt="{escape(block["alt_text"])}">'
        case kind:
            raise ValueError(f"this page does not know {kind}")


def _text(text: dict[str, Any]) -> str:
    """Slack's mrkdwn, whose escapes are those of HTML."""
    said: str = text["text"]
    if text["type"] == "plain_text":
        return escape(said)
    said = re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r'<a href="\1">\2</a>', said)
    said = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", said)
    return re.sub(r"(?<!\w)\*([^*\n]+)\*(?!\w)", r"<b>\1</b>", said)


if __name__ == "__main__":
    main()
