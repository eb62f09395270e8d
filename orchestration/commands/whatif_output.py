"""The answer of `lqo whatif` as a table with notes, as CSV, or as JSON."""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

from orchestration.commands.query import print_rows
from orchestration.commands.spreadsheet import as_csv

if TYPE_CHECKING:
    from reports.whatif.question import Candidate, Question
    from reports.whatif.totals import Line, Totals

AS_RECORDED = "as recorded"
MOST_REASONS = 3
"""In a cell of a table; CSV and JSON have all."""


def print_answer(question: "Question", totals: "Totals", *, book_version: int, form: str) -> None:
    """Print it. Amounts are exact decimals in CSV and JSON; a table shows six places."""
    rows = list(_rows(question, totals))
    from reports.whatif.notes import notes_of
    from reports.whatif.question import Candidate
    from reports.whatif.totals import Line

    notes = list(notes_of(question, totals))
    if form == "json":
        answer = {**_frame(question, totals, book_version=book_version), "rows": rows, "notes": notes}
        typer.echo(json.dumps(answer, default=_plain, ensure_ascii=False))
        return
    if form == "csv":
        columns = [*question.by, *_figures(Candidate(), Line())]
        typer.echo(as_csv(columns, map(_flat, rows)), nl=False)
    else:
        typer.echo(_headline(question, totals, book_version=book_version))
        print_rows(*_table(question, rows), form=form)
    for note in notes:
        typer.echo(f"- {note}", err=form == "csv")


def _rows(question: "Question", totals: "Totals") -> Iterator[dict[str, Any]]:
    places = {candidate: place for place, candidate in enumerate(question.candidates)}
    for (names, candidate), line in sorted(
        totals.lines.items(), key=lambda item: (item[0][0], places[item[0][1]])
    ):
        yield {**dict(zip(question.by, names, strict=True)), **_figures(candidate, line)}


def _figures(candidate: "Candidate", line: "Line") -> dict[str, Any]:
    return {
        "candidate": candidate.name,
        "as_tier": candidate.tier or AS_RECORDED,
        "n_attempts": line.n_attempts,
        "n_compared": line.n_compared,
        "actual_usd": line.actual_usd,
        "whatif_usd": line.whatif_usd if line.n_compared else None,
        "saving_usd": line.saving_usd if line.n_compared else None,
        "saving_percent": line.saving_percent,
        "n_new": line.n_new,
        "new_usd": line.new_usd,
        "n_not_priced": line.n_not_priced,
        "not_priced_actual_usd": line.not_priced_actual_usd,
        "not_priced_reasons": dict(line.reasons.most_common()),
        "uncached_tokens": line.n_uncached_tokens,
        "foreign_tokens": line.n_foreign_tokens,
        "input_ratio": str(float(candidate.input_ratio)),
        "output_ratio": str(float(candidate.output_ratio)),
        "price_version": line.price_version or None,
        "sources": sorted(line.sources),
    }


def _table(question: "Question", rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    names = [*question.by, "candidate", "at tier", "attempts", "compared", "actual", "what if", "saving", "%"]
    names += ["not priced", "their actual", "why"]
    shown = [
        [
            *(row[name] for name in question.by),
            row["candidate"],
            row["as_tier"],
            f"{row['n_attempts']:,}",
            f"{row['n_compared']:,}",
            *(_usd(row[name]) for name in ("actual_usd", "whatif_usd", "saving_usd")),
            "" if row["saving_percent"] is None else f"{row['saving_percent']:.2f}",
            f"{row['n_not_priced']:,}",
            _usd(row["not_priced_actual_usd"]),
            _reasons(row["not_priced_reasons"], most=MOST_REASONS),
        ]
        for row in rows
    ]
    return names, shown


def _frame(question: "Question", totals: "Totals", *, book_version: int) -> dict[str, Any]:
    recorded, terms = totals.recorded, question.terms
    return {
        "from": question.traffic.first,
        "to": question.traffic.last,
        "prices_at": terms.prices_at,
        "cache": "recorded" if terms.is_cached else "none",
        "reasoning": "recorded" if terms.is_reasoning else "none",
        "price_version": book_version,
        "recorded": {
            "n_attempts": recorded.n_attempts,
            "n_priced": recorded.n_priced,
            "amount_usd": recorded.amount_usd,
            "unpriced_reasons": dict(recorded.reasons.most_common()),
            "tokens": dict(recorded.tokens),
        },
    }


def _headline(question: "Question", totals: "Totals", *, book_version: int) -> str:
    recorded, terms = totals.recorded, question.terms
    priced = "the calls' own days" if terms.prices_at is None else str(terms.prices_at)
    without = f"; {_reasons(recorded.reasons)}" if recorded.reasons else ""
    return (
        f"{question.traffic.first} to {question.traffic.last}: {recorded.n_attempts:,} attempts,"
        f" {recorded.n_priced:,} charged {_usd(recorded.amount_usd)} USD{without}\n"
        f"prices of {priced}, book version {book_version}; saving is of the compared attempts, in USD"
    )


def _reasons(reasons: "Counter[str] | dict[str, int]", *, most: int | None = None) -> str:
    shown = ", ".join(f"{reason} {n:,}" for reason, n in Counter(reasons).most_common(most))
    n_more = 0 if most is None else max(len(reasons) - most, 0)
    return f"{shown} and {n_more} more" if n_more else shown


def _usd(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:,.6f}"


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    reasons = "; ".join(f"{reason}={n}" for reason, n in row["not_priced_reasons"].items())
    return {**row, "not_priced_reasons": reasons, "sources": "; ".join(row["sources"])}


def _plain(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)
