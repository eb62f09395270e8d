"""The page that says whether invoices match: one file without a script that asks the network for nothing."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

from reports.invoices.figures import CAUSES, MOST_ROWS, OPEN, InvoiceFigures, Month
from reports.weekly.html import Column, nothing, table
from reports.weekly.style import STYLE
from reports.weekly.wording import NONE, name, safe, usd
from reports.writing import write_whole

_MEANING = {
    "MATCHED": "What is billed is what we charged, within the tolerance.",
    "EXPLAINED": "Billed and charged differ, and the causes below say why.",
    "NOT MATCHED": "Something is billed that nothing we know explains.",
    "NOTHING TO COMPARE": "No invoice has been imported for this time.",
}
_TONE = {"MATCHED": "good-text", "EXPLAINED": "", "NOT MATCHED": "bad-text", "NOTHING TO COMPARE": ""}
_CAUSE_TEXTS = {
    "calls not seen": "they bill more tokens or requests than we have, or (below 0) fewer",
    "retries": "attempts of ours that never told their usage: retries, broken streams, clients that left",
    "unpriced": "calls of ours that used tokens and have no price",
    "cache": "as many input tokens, in other shares of cached and uncached",
    "tier": "a service tier that we did not charge by",
    "fees and credits": "lines that are no tokens",
    "time zone": "our calls of the provider’s day less those of the UTC day",
    "rounding": "at most half a cent an amount",
}
# Less is a quotient's last digits, and would be shown as 0.
LEAST = Decimal("0.00005")


def write_page(figures: InvoiceFigures, path: Path) -> Path:
    """Write the page, whole or not at all."""
    return write_whole(path, render(figures))


def money(amount: Decimal | None) -> str:
    """`−$0.5000`: what is below 0 is told by a sign in front of all."""
    return f"−{usd(-amount)}" if amount is not None and amount < 0 else usd(amount)


def render(figures: InvoiceFigures) -> str:
    """The page as HTML; no text of others is in it that is not escaped."""
    of = f"{figures.month:%Y-%m}" if figures.month else "all months"
    span = f"{of}, {safe(figures.provider)}" if figures.provider else of
    verdict = figures.verdict
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">
<title>Invoices, {span}: {verdict.lower()}</title><style>{STYLE}</style></head><body>
<header><h1>Invoices: <span class="{_TONE[verdict]}">{verdict.lower()}</span></h1>
<p>{span} <span class="dim">{_MEANING[verdict]}</span></p></header>
<main>{_cards(figures)}
<section aria-labelledby="months"><h2 id="months">By month</h2>{_months(figures)}</section>
<section aria-labelledby="days"><h2 id="days">Days, models and keys</h2>{_rows(figures)}</section>
<section aria-labelledby="files"><h2 id="files">What was imported</h2>{_invoices(figures)}</section>
<section aria-labelledby="causes"><h2 id="causes">Causes</h2>{_causes()}</section></main>
{_footer(figures)}</body></html>
"""


def _cards(figures: InvoiceFigures) -> str:
    billed, charged, unexplained = (
        sum((getattr(each, column) for each in figures.months), Decimal(0))
        for column in ("billed_usd", "charged_usd", "unexplained_usd")
    )
    n_matched, n_explained, n_open = (
        sum(getattr(each, column) for each in figures.months)
        for column in ("n_matched", "n_explained", "n_open")
    )
    cards = (
        ("billed", money(billed), "by providers"),
        ("charged", money(charged), f"by our book, price version {figures.price_version}"),
        ("gap", money(billed - charged), "billed less charged"),
        ("unexplained", money(unexplained), "what no cause explains"),
        ("rows", f"{figures.n_rows:,}", f"{n_matched:,} matched, {n_explained:,} explained, {n_open:,} not"),
    )
    inner = "".join(
        f'<div class="card"><span>{label}</span><b>{value}</b><span>{below}</span></div>'
        for label, value, below in cards
    )
    return f'<div class="cards">{inner}</div>'


def _months(figures: InvoiceFigures) -> str:
    if not figures.months:
        return nothing("Nothing to compare: lqo invoices import FILE")
    columns = (
        *(Column("provider"), Column("month"), Column("verdict"), Column("billed", True)),
        *(Column("charged", True), Column("gap", True), Column("causes", True), Column("unexplained", True)),
    )
    return table(columns, [_month(each) for each in figures.months], label="By month", look="fold")


def _month(each: Month) -> tuple[str, ...]:
    causes = {column: getattr(each, column) for column in CAUSES}
    return (
        name(each.provider),
        f"{each.month:%Y-%m}",
        _verdict(each.verdict.lower(), is_bad=each.n_open > 0),
        money(each.billed_usd),
        money(each.charged_usd),
        money(each.billed_usd - each.charged_usd),
        _named(causes),
        money(each.unexplained_usd),
    )


def _rows(figures: InvoiceFigures) -> str:
    if not figures.rows:
        return nothing("No day is covered.")
    columns = (
        *(Column("day"), Column("provider"), Column("model"), Column("key"), Column("verdict")),
        *(Column("billed", True), Column("charged", True), Column("causes", True)),
        Column("unexplained", True),
    )
    shown = table(columns, [_row(each) for each in figures.rows], label="Days, models and keys", look="fold")
    n_more = figures.n_rows - len(figures.rows)
    more = f", {n_more:,} more in <code>marts.invoice_reconciliation</code>" if n_more else ""
    return f'<p class="dim">The worst first, at most {MOST_ROWS}{more}.</p>{shown}'


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    basis = {"usage": " <small>tokens only</small>", "not_billed": " <small>no line</small>"}
    return (
        f'<span class="nowrap">{row["day"]}</span>',
        name(row["provider"]),
        name(row["model"]),
        name(row["key_id"]),
        _verdict(row["verdict"], is_bad=row["verdict"] in OPEN),
        money(row["billed_usd"]) + basis.get(row["basis"], ""),
        money(row["charged_usd"]),
        _named({column: row[column] for column in CAUSES}),
        money(row["unexplained_usd"]),
    )


def _named(causes: Mapping[str, Decimal | None]) -> str:
    """The causes that are there, the greatest first; nothing below half a hundredth of a cent."""
    found = sorted(
        ((value, column) for column, value in causes.items() if value and abs(value) >= LEAST),
        key=lambda pair: -abs(pair[0]),
    )
    return "".join(f"<div>{CAUSES[column]} {money(value)}</div>" for value, column in found) or NONE


def _verdict(text: str, *, is_bad: bool) -> str:
    tone = "bad-text" if is_bad else "good-text" if text == "matched" else ""
    return f'<span class="{tone} nowrap">{text}</span>'


def _invoices(figures: InvoiceFigures) -> str:
    if not figures.invoices:
        return nothing("No invoice.")
    columns = (
        *(Column("invoice"), Column("file"), Column("form"), Column("account"), Column("days")),
        *(Column("time zone"), Column("lines that count", True), Column("USD", True), Column("imported")),
    )
    rows: list[Sequence[str]] = [
        (
            str(each.invoice_id),
            safe(each.source),
            each.format,
            safe(each.account) or NONE,
            f"{each.first_day} – {each.last_day}",
            safe(each.time_zone),
            "withdrawn" if each.withdrawn_at else f"{each.n_current:,} of {each.n_lines:,}",
            money(each.amount_usd),
            f'<span class="nowrap">{each.imported_at:%Y-%m-%d %H:%M}</span>',
        )
        for each in figures.invoices
    ]
    return table(columns, rows, label="What was imported", look="fold")


def _causes() -> str:
    items = "".join(f"<li><b>{label}</b>: {escape(_CAUSE_TEXTS[label])}</li>" for label in CAUSES.values())
    return (
        f'<ul class="dim">{items}</ul><p class="dim">Causes and the unexplained part add up to the gap.</p>'
    )


def _footer(figures: InvoiceFigures) -> str:
    return (
        f'<footer class="dim"><p>Made {figures.made_at:%Y-%m-%d %H:%M} UTC, price version'
        f" {figures.price_version}. Every charged attempt counts, judges and failed attempts too; demo calls"
        " only while there are no others. “No line”: a day that the invoice covers, with calls of ours and"
        " nothing billed.</p></footer>"
    )
