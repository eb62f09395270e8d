"""Price files of users: CSV or YAML rows in, rows for the book and counted rejects out."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from evaluators.pricing.book import ALSO_STANDARD
from evaluators.pricing.changes import price_key, price_value
from evaluators.pricing.history import COLUMNS, read_price_history
from evaluators.pricing.rejects import (
    LONGEST_NAME,
    PriceFile,
    PriceFileError,
    Reject,
    parse_name,
    parse_price,
    parse_time,
)
from evaluators.pricing.rows import NOT_STATED, STANDARD, Match, PriceRow
from evaluators.pricing.yaml_items import yaml_items
from evaluators.usage_fields import MAX_TOKENS

REQUIRED: Final = frozenset({"model", "bucket", "usd_per_million", "valid_from"})
OPTIONAL: Final = frozenset(
    {"provider", "match", "valid_to", "source", "min_input_tokens", "service_tier", "currency"}
)
OBSERVED: Final = frozenset({"observed_from", "input_cost_per_token"})
"""What tells a table of observed prices; public ones have columns of all kinds, those known are read."""

YAML: Final = frozenset({".yaml", ".yml"})
_SURPLUS: Final = "more cells than columns"


def read_price_file(path: Path, *, recorded_at: datetime) -> PriceFile:
    """The rows of a price file, recorded at `recorded_at` (aware), and the rejects with line and reason.

    CSV (`.csv`) or YAML (`.yaml`, `.yml`: a list of mappings) with the columns of docs/prices.md, or a CSV of
    observed prices per token (`evaluators.pricing.history`). Rows have id 0 and price_version 0. Raises
    PriceFileError for a file that cannot be read, has no rows, lacks a required column, or has one of another
    name, in whichever of its YAML items: a misspelt column would otherwise be a price with a default.
    """
    lines = _lines(path)
    if not lines:
        raise PriceFileError(f"{path}: no rows")
    columns = lines[0][1].keys() - {_SURPLUS}
    is_yaml = path.suffix in YAML
    if OBSERVED.issubset(columns):
        if is_yaml and (problem := _unknown(lines, known={"model", *OBSERVED, *COLUMNS}, is_yaml=True)):
            raise PriceFileError(f"{path}: {problem}")
        return read_price_history(lines, source=path.name, recorded_at=recorded_at)
    if missing := REQUIRED - columns:
        raise PriceFileError(f"{path}: no column {', '.join(sorted(missing))}")
    if problem := _unknown(lines, known=REQUIRED | OPTIONAL, is_yaml=is_yaml):
        raise PriceFileError(f"{path}: {problem}")
    read: list[tuple[int, PriceRow]] = []
    rejects: list[Reject] = []
    for number, cells in lines:
        try:
            read.append((number, price_row(cells, default_source=path.name, recorded_at=recorded_at)))
        except ValueError as error:
            model = (_text(cells, "model") or "")[:LONGEST_NAME]
            rejects.append(Reject(number, model, str(error)[:LONGEST_NAME]))
    rows, contradicting = _without_contradictions(read)
    return PriceFile(rows, sorted(rejects + contradicting, key=lambda reject: reject.line))


def _without_contradictions(read: Iterable[tuple[int, PriceRow]]) -> tuple[list[PriceRow], list[Reject]]:
    """Rows that say two things of one price are all left out: nobody can tell which of them is meant."""
    said: dict[tuple[object, ...], list[tuple[int, PriceRow]]] = {}
    for number, row in read:
        said.setdefault(price_key(row), []).append((number, row))
    rows: list[PriceRow] = []
    rejects: list[Reject] = []
    for of_price in said.values():
        if len({price_value(row) for _, row in of_price}) == 1:
            rows.append(of_price[0][1])
            continue
        numbers = ", ".join(str(number) for number, _ in of_price[:5])
        rejects += [
            Reject(number, row.model, f"contradicted: lines {numbers} say the same price otherwise")
            for number, row in of_price
        ]
    return rows, rejects


def _lines(path: Path) -> list[tuple[int, Mapping[str, Any]]]:
    """(line or item number, cells) of each row."""
    try:
        if path.suffix in YAML:
            return list(yaml_items(path))
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True, restkey=_SURPLUS)
            if doubled := {name for name, n in Counter(reader.fieldnames or ()).items() if n > 1}:
                raise PriceFileError(f"{path}: column {min(doubled)[:LONGEST_NAME]!r} stands twice")
            return [(reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PriceFileError(f"{path}: {error}") from None


def _unknown(lines: Iterable[tuple[int, Mapping[str, Any]]], *, known: Set[str], is_yaml: bool) -> str | None:
    """The first name that no column has; each item of YAML has keys of its own, a CSV has one header."""
    for number, cells in lines:
        if names := sorted(map(str, cells.keys() - known - {_SURPLUS})):
            name = names[0][:LONGEST_NAME]
            shown = name if name.isprintable() else repr(name)
            return f"item {number}: unknown key {shown}" if is_yaml else f"unknown column {shown}"
    return None


def price_row(cells: Mapping[str, Any], *, default_source: str, recorded_at: datetime) -> PriceRow:
    """One row from text by column name; ValueError says what is wrong with it."""
    if _SURPLUS in cells:
        raise ValueError(_SURPLUS)
    source = parse_name(_text(cells, "source") or default_source, what="source")
    if source.startswith(NOT_STATED):
        raise ValueError(f"source {source!r} is reserved for prices that nobody stated")
    provider, valid_to = _text(cells, "provider"), _text(cells, "valid_to")
    model = parse_name(_text(cells, "model") or "", what="model")
    has_star = model.endswith("*") and _text(cells, "match") != "exact"
    return PriceRow(
        provider=None if provider is None else parse_name(provider, what="provider"),
        model=model[:-1] if has_star else model,
        match=_match(_text(cells, "match") or ("prefix" if has_star else "exact")),
        bucket=_text(cells, "bucket") or "",
        usd_per_million=parse_price(_text(cells, "usd_per_million")),
        min_input_tokens=_floor(_text(cells, "min_input_tokens") or "0"),
        service_tier=_tier(_text(cells, "service_tier") or STANDARD),
        currency=(_text(cells, "currency") or "USD").upper(),
        valid_from=parse_time(_text(cells, "valid_from")),
        valid_to=None if valid_to is None else parse_time(valid_to),
        recorded_at=recorded_at,
        source=source,
    )


def _text(cells: Mapping[str, Any], name: str) -> str | None:
    """A cell's stripped text, None where it is blank or absent."""
    return str(cells.get(name) or "").strip() or None


def _tier(text: str) -> str:
    """A tier by our name: under one that calls never have, such as `default`, a price would hold for none."""
    name, at, hours = text.lower().partition("@")
    return f"{STANDARD if name in ALSO_STANDARD else name}{at}{hours}"


def _match(text: str) -> Match:
    if text == "exact":
        return "exact"
    if text == "prefix":
        return "prefix"
    raise ValueError(f"match {text!r} is neither exact nor prefix")


def _floor(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_TOKENS:
        raise ValueError(f"min_input_tokens {text!r} is not a token count")
    return int(text)
