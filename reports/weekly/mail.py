"""The week as an e-mail: plain text, and HTML for old mail readers, which know neither SVG nor variables."""

from dataclasses import dataclass
from html import escape

from reports.weekly import wording
from reports.weekly.figures import Figures, ModelWeek
from reports.weekly.headlines import Headline, headlines

MARKS = {"bad": "!", "good": "+", "plain": "-"}
COLOURS = {"bad": "#a3312a", "good": "#1d6b4c", "plain": "#1b2230"}
CELL = "padding:4px 10px 4px 0;border-bottom:1px solid #d8dee8;text-align:left;vertical-align:top"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message without its addresses."""

    subject: str
    text: str
    html: str


def weekly_mail(figures: Figures) -> Mail:
    """The headlines and a line a model; the page itself goes along as an attachment."""
    told = headlines(figures)
    return Mail(subject(figures), _text(figures, told), _html(figures, told))


def subject(figures: Figures) -> str:
    """`LLM quality 2026-W46: 4.1 % failing, $12.30, 2 incidents`; no text of others is in it."""
    if not figures.traffic.n_calls:
        return f"LLM quality {figures.week}: no calls"
    failing = wording.percent(figures.failing.estimate.value) if figures.failing.n else "unknown share"
    n = figures.n_incidents
    return (
        f"LLM quality {figures.week}: {failing} failing, {wording.usd(figures.cost.amount_usd)}, "
        f"{n:,} incident{'' if n == 1 else 's'}"
    )


def _text(figures: Figures, told: tuple[Headline, ...]) -> str:
    week = figures.week
    lines = [f"LLM quality, {week}", f"{week.span} (Monday to Sunday, UTC)", ""]
    lines += [f"{MARKS[one.tone]} {one.text}" for one in told]
    if figures.models:
        lines += ["", "Models"]
        lines += [f"- {wording.plain(one.model)}: {', '.join(_model(one))}" for one in figures.models]
    if figures.incidents:
        lines += ["", "Incidents"]
        lines += [
            f"- {wording.moment(one.began_at)} to "
            f"{wording.moment(one.ended_at) if one.ended_at else 'now'}: {wording.message(one.message)}"
            for one in figures.incidents
        ]
        n_more = figures.n_incidents - len(figures.incidents)
        lines += [f"- and {n_more:,} more"] if n_more else []
    lines += ["", *_closing(figures), ""]
    return "\n".join(lines)


def _html(figures: Figures, told: tuple[Headline, ...]) -> str:
    week = figures.week
    sentences = "".join(
        f'<li style="color:{COLOURS[one.tone]};margin:4px 0">{escape(one.text)}</li>' for one in told
    )
    closing = "<br>".join(escape(line) for line in _closing(figures))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>LLM quality, {week}</title></head>"
        '<body style="margin:0;padding:16px;background:#ffffff;color:#1b2230;font:15px/1.5 sans-serif">'
        '<div style="max-width:640px">'
        f'<h1 style="font-size:20px;margin:0">LLM quality, {week}</h1>'
        f'<p style="color:#566072;margin:4px 0 12px">{escape(week.span)} (Monday to Sunday, UTC)</p>'
        f'<ul style="padding-left:20px;margin:0 0 16px">{sentences}</ul>{_models(figures)}'
        f'<p style="color:#566072;font-size:13px">{closing}</p></div></body></html>'
    )


def _models(figures: Figures) -> str:
    if not figures.models:
        return ""
    rows = "".join(
        f'<tr><th style="{CELL}">{wording.name(one.model)}</th>'
        + "".join(f'<td style="{CELL}">{escape(cell)}</td>' for cell in _model(one))
        + "</tr>"
        for one in figures.models
    )
    return f'<table style="border-collapse:collapse;font-size:14px" role="presentation">{rows}</table>'


def _model(one: ModelWeek) -> list[str]:
    by = f" by {wording.rule_sets(one.failing.versions)}" if one.failing.n else ""
    return [
        f"{one.traffic.n_calls:,} calls",
        f"failing {wording.rate(one.failing)}{by}" if one.failing.n else "nothing scored",
        f"p95 {wording.seconds(one.latency.p95_ms)}",
        f"{wording.usd(one.cost.amount_usd)} for {one.cost.n_priced:,} priced calls"
        if one.cost.n_priced
        else "no price",
    ]


def _closing(figures: Figures) -> list[str]:
    return [
        "Charts, comparison, prompts, drift and the versions of all evaluators are in the attached page.",
        f"Made {figures.made_at:%Y-%m-%d %H:%M} UTC by LLM Quality Observer.",
    ]
