"""What the price book says and has said, as tables."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from evaluators.pricing.changes import Change
    from evaluators.pricing.rows import PriceRow


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


Form = Annotated[Format, typer.Option("--format", help="How to print it.")]
NAMES = ("provider", "model", "bucket", "usd_per_million", "service_tier", "above", "valid_from", "valid_to")


def list_(
    model: Annotated[str | None, typer.Argument(help="A model, or a pattern such as 'gpt-4o*'.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only prices of this provider or of any.")] = None,
    at: Annotated[str | None, typer.Option(help="Prices of calls at that day or time; default now.")] = None,
    known_at: Annotated[
        str | None, typer.Option(help="As the book was known at that day or time; default now.")
    ] = None,
    form: Form = Format.TABLE,
) -> None:
    """Show the prices in force."""
    time, knowledge = moment(at) or datetime.now(UTC), moment(known_at)
    from orchestration.cost.price_book import known_rows

    with open_warehouse(settings_or_exit()) as connection:
        rows = known_rows(connection, known_at=knowledge)
    found = [
        row
        for row in rows
        if row.valid_from <= time
        and (row.valid_to is None or time < row.valid_to)
        and (provider is None or row.provider in (None, provider))
        and (model is None or fnmatchcase(row.model, model) or _is_about(row, model))
    ]
    found.sort(key=_order)
    _print(
        (*NAMES, "price_version", "source"),
        [(*_cells(row), row.price_version, row.source) for row in found],
        form=form,
    )
    if not found:
        _say_empty(model, what=" in force")


def history(
    model: Annotated[str, typer.Argument(help="The model as calls name it.")],
    provider: Annotated[str | None, typer.Option(help="Only prices of this provider or of any.")] = None,
    form: Form = Format.TABLE,
) -> None:
    """Show every price a model ever had in the book: when it held, and when we knew it."""
    from orchestration.cost.price_book import all_rows

    with open_warehouse(settings_or_exit()) as connection:
        rows = all_rows(connection)
    found = [
        row
        for row in rows
        if _is_about(row, model) and (provider is None or row.provider in (None, provider))
    ]
    found.sort(key=lambda row: (*_order(row), row.recorded_at, row.id))
    _print(
        (*NAMES, "recorded_at", "superseded_at", "price_version", "source"),
        [
            (
                *_cells(row),
                _when(row.recorded_at),
                row.superseded_at and _when(row.superseded_at),
                row.price_version,
                row.source,
            )
            for row in found
        ],
        form=form,
    )
    if not found:
        _say_empty(model)


def print_changes(changes: "Iterable[Change]", *, form: Format) -> None:
    """One line a change: what it is, the price before and after."""
    ordered = sorted(changes, key=lambda change: _order(change.row))
    names = ("change", *NAMES[:3], "was", "is", *NAMES[4:], "source")
    rows = [
        (
            change.kind,
            *_cells(change.row)[:3],
            change.before and _plain(change.before.usd_per_million),
            change.after and _plain(change.after.usd_per_million),
            *_cells(change.row)[4:],
            change.row.source,
        )
        for change in ordered
    ]
    _print(names, rows, form=form)


def moment(text: str | None) -> datetime | None:
    """A day or time that a person gave; bad usage where it is neither."""
    from evaluators.pricing.rejects import parse_time

    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise UserError(str(error), code=2) from error


def _say_empty(model: str | None, *, what: str = "") -> None:
    """An empty list of a model that everybody knows is not what anybody expects."""
    of = "" if model is None else f" of {model[:80]!r}"
    typer.echo(
        f"the book has no price{of}{what}; those of genai-prices come into it with a model's first call"
        " (`lqo whatif` knows them already)",
        err=True,
    )


def _is_about(row: "PriceRow", model: str) -> bool:
    return model.startswith(row.model) if row.match == "prefix" else model == row.model


def _order(row: "PriceRow") -> tuple[str, str, str, str, int, datetime]:
    return (
        row.provider or "",
        row.model,
        row.bucket,
        row.service_tier,
        row.min_input_tokens,
        row.valid_from,
    )


def _cells(row: "PriceRow") -> tuple[object, ...]:
    return (
        row.provider or "(any)",
        f"{row.model}*" if row.match == "prefix" else row.model,
        row.bucket,
        _plain(row.usd_per_million),
        row.service_tier,
        row.min_input_tokens,
        _when(row.valid_from),
        row.valid_to and _when(row.valid_to),
    )


def _when(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _print(names: Sequence[str], rows: Sequence[Sequence[object]], *, form: Format) -> None:
    from orchestration.commands.query import print_rows

    print_rows(names, rows, form=form.value)
