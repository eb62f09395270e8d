"""An alert as an e-mail: text and HTML say the same, the chart comes along as a picture inside."""

from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from html import escape
from typing import Any

from orchestration.alerts.delivery import words
from orchestration.alerts.delivery.channel import Parcel
from orchestration.alerts.delivery.mail import MailSettings
from orchestration.alerts.delivery.text import one_line, storable, web_url
from orchestration.alerts.message import AlertMessage, Link

CHART_ID = "chart"
LONGEST_SUBJECT = 160
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"


def alert_mail(parcel: Parcel, *, settings: MailSettings, chart: bytes | None = None) -> EmailMessage:
    """One alert or a digest; `chart` is a PNG of the first one."""
    messages = parcel.messages
    message = _envelope(settings, parcel, subject=_subject(parcel))
    # A mail reader puts what is said of one alert into one thread.
    if len(messages) == 1:
        thread = f"<{one_line(messages[0].fingerprint, most=64)}@{_domain(settings)}>"
        message["References"] = message["In-Reply-To"] = "".join(thread.split())
    message.set_content(text_of(parcel))
    message.add_alternative(html_of(parcel, has_chart=chart is not None), subtype="html")
    if chart is not None:
        html = message.get_body(("html",))
        assert html is not None
        html.add_related(
            chart, "image", "png", cid=f"<{CHART_ID}>", filename="chart.png", disposition="inline"
        )
    return message


def ready_mail(parcel: Parcel, *, settings: MailSettings) -> EmailMessage:
    """A mail whose texts were made elsewhere: `subject`, `text`, `html` and perhaps `attachment`."""
    given: Mapping[str, Any] = parcel.ready or {}
    message = _envelope(settings, parcel, subject=storable(" ".join(str(given["subject"]).split())))
    message.set_content(storable(str(given["text"])))
    message.add_alternative(storable(str(given["html"])), subtype="html")
    if attachment := given.get("attachment"):
        message.add_attachment(
            storable(str(attachment["content"])).encode(),
            maintype="text",
            subtype="html",
            filename=str(attachment["name"]),
            params={"charset": "utf-8"},
        )
    return message


def text_of(parcel: Parcel) -> str:
    """The plain part."""
    if len(parcel.messages) != 1:
        told = [f"{words.headline(one)}\n  {words.body(one)}" for one in parcel.messages]
        return (
            "\n\n".join([words.digest_headline(parcel.messages), words.DIGEST, *_notes(parcel), *told]) + "\n"
        )
    return _alert_text(parcel, parcel.messages[0])


def _alert_text(parcel: Parcel, message: AlertMessage) -> str:
    lines = [words.headline(message, is_test=parcel.is_test), "", *_notes(parcel), words.body(message), ""]
    lines += [f"{name}: {value}" for name, value in words.facts(message)]
    if (bars := words.sparkline(message.points)) is not None:
        lines += ["", bars, words.range_words(message)]
    lines += ["", *(f"{title}: {url}" for title, url in _links(message)), "", words.identity(message)]
    return "\n".join(lines) + "\n"


def html_of(parcel: Parcel, *, has_chart: bool = False) -> str:
    """The HTML part: tables and styles in place, since mail readers know little else."""
    colour = f"#{words.colour(parcel.messages):06x}"
    inside = _digest(parcel.messages) if len(parcel.messages) > 1 else _alert(parcel, has_chart=has_chart)
    notes = "".join(
        f'<p style="margin:0 0 12px;padding:8px 12px;background:#f2f4f7;color:#344054;font-size:13px">'
        f"{escape(note)}</p>"
        for note in _notes(parcel)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light"></head>'
        f'<body style="margin:0;padding:24px 12px;background:#f2f4f7;{_FONT};color:#101828">'
        '<table role="presentation" align="center" width="100%" cellspacing="0" cellpadding="0" '
        f'style="max-width:600px;margin:0 auto;background:#ffffff;border-top:4px solid {colour}">'
        f'<tr><td style="padding:24px">{notes}{inside}</td></tr></table></body></html>'
    )


def _alert(parcel: Parcel, *, has_chart: bool) -> str:
    message = parcel.messages[0]
    parts = [_title(words.headline(message, is_test=parcel.is_test))]
    parts.append(
        f'<p style="margin:0 0 8px;font-size:15px;line-height:1.5">{escape(words.body(message))}</p>'
    )
    if message.summary and message.message:
        summary = escape(one_line(message.summary, most=500))
        parts.append(f'<p style="margin:0 0 16px;font-size:13px;color:#475467">Rule: {summary}</p>')
    parts.append(_facts(message))
    if has_chart:
        parts.append(
            f'<img src="cid:{CHART_ID}" width="552" alt="{escape(_chart_words(message))}" '
            'style="display:block;width:100%;max-width:552px;height:auto;margin:0 0 16px">'
        )
    elif (bars := words.sparkline(message.points)) is not None:
        parts.append(
            f'<p style="margin:0 0 16px;font-size:13px;color:#475467"><code style="font-size:18px">{bars}'
            f"</code><br>{escape(words.range_words(message))}</p>"
        )
    parts.append(_buttons(message))
    parts.append(
        '<p style="margin:0;font-size:12px;color:#667085;word-break:break-all">'
        f"{escape(words.identity(message))}</p>"
    )
    return "".join(parts)


def _facts(message: AlertMessage) -> str:
    rows = "".join(
        f'<tr><td style="padding:4px 16px 4px 0;color:#475467;white-space:nowrap;vertical-align:top">'
        f'{escape(name)}</td><td style="padding:4px 0;word-break:break-word">{escape(value)}</td></tr>'
        for name, value in words.facts(message)
    )
    return f'<table cellspacing="0" cellpadding="0" style="margin:0 0 16px;font-size:14px">{rows}</table>'


def _buttons(message: AlertMessage) -> str:
    links = "".join(
        f'<a href="{escape(url)}" style="display:inline-block;margin:0 8px 8px 0;padding:8px 14px;'
        'border:1px solid #d0d5dd;border-radius:6px;color:#175cd3;font-size:14px;text-decoration:none">'
        f"{escape(title)}</a>"
        for title, url in _links(message)
    )
    return f'<div style="margin:0 0 12px">{links}</div>' if links else ""


def _digest(messages: Sequence[AlertMessage]) -> str:
    rows = "".join(
        '<tr><td style="padding:10px 0;border-top:1px solid #eaecf0;font-size:14px;line-height:1.45">'
        f"<strong>{escape(words.headline(one))}</strong><br>{escape(words.body(one))}"
        f'<br><span style="color:#667085;font-size:12px">since {escape(words.since(one))}</span></td></tr>'
        for one in messages
    )
    head = _title(words.digest_headline(messages))
    told = f'<p style="margin:0 0 12px;font-size:13px;color:#475467">{words.DIGEST}</p>'
    return f'{head}{told}<table width="100%" cellspacing="0" cellpadding="0">{rows}</table>'


def _title(text: str) -> str:
    style = "margin:0 0 12px;font-size:19px;line-height:1.35;word-break:break-word"
    return f'<h1 style="{style}">{escape(text)}</h1>'


def _links(message: AlertMessage) -> list[tuple[str, str]]:
    runbook = [Link("Runbook", message.runbook)] if message.runbook else []
    return [
        (one_line(link.title, most=80) or "link", url)
        for link in (*message.links[:12], *runbook)
        if (url := web_url(link.url)) is not None
    ]


def _notes(parcel: Parcel) -> list[str]:
    return [words.TEST] * parcel.is_test + [words.REPEAT] * parcel.is_repeat


def _chart_words(message: AlertMessage) -> str:
    return words.range_words(message) if words.sparkline(message.points) else "the last values"


def _subject(parcel: Parcel) -> str:
    first = parcel.messages[0]
    told = (
        words.digest_headline(parcel.messages)
        if len(parcel.messages) > 1
        else words.headline(first, is_test=parcel.is_test)
    )
    return one_line(f"{told}{' (possibly a repeat)' if parcel.is_repeat else ''}", most=LONGEST_SUBJECT)


def _envelope(settings: MailSettings, parcel: Parcel, *, subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    message["Subject"] = subject
    message["Date"] = formatdate(usegmt=True)
    # The same for a repeat, by which mail readers know it.
    message["Message-ID"] = f"<{parcel.key}@{_domain(settings)}>"
    # Keeps holiday notices and the like from answering (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    if parcel.is_repeat:
        message["X-LQO-Repeat"] = "possible"
    return message


def _domain(settings: MailSettings) -> str:
    return parseaddr(settings.sender)[1].rpartition("@")[2]
