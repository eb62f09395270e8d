"""Files of an invoice in, lines and rejects out; the form is told by what is in them."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from evaluators.invoices import anthropic, google, openai, own
from evaluators.invoices.lines import InvoiceFileError, InvoiceLine, Reading
from evaluators.invoices.pages import Pages


def read_invoice(paths: Sequence[Path], *, time_zone: str | None = None) -> Reading:
    """The lines of one invoice, which may stand in several files (pages) of one form, numbered through.

    `time_zone` says whose days a CSV of our own is of; the others know it. Raises InvoiceFileError for
    what is no invoice, is empty, mixes forms, or names a time zone that there is not or that it is not of.
    """
    if time_zone is not None:
        try:
            ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvoiceFileError(f"there is no time zone {time_zone[:40]!r}") from None
    pages = Pages()
    texts = [_text(path) for path in paths]
    if len(set(texts)) < len(texts):
        again = next(place for place, text in enumerate(texts) if text in texts[:place])
        raise InvoiceFileError(f"{paths[again]}: the same file as {paths[texts.index(texts[again])]}")
    readings = [
        _read(path, text, time_zone=time_zone, pages=pages) for path, text in zip(paths, texts, strict=True)
    ]
    if len({reading.format for reading in readings}) != 1:
        raise InvoiceFileError("the files are of different forms; import them one after the other")
    if readings[0].format == "csv":
        _check_files(paths, readings)
    whole = readings[0]
    for reading in readings[1:]:
        offset = len(whole.lines) + len(whole.rejects)
        whole.lines += [replace(line, line=line.line + offset) for line in reading.lines]
        whole.rejects += [replace(reject, line=reject.line + offset) for reject in reading.rejects]
        whole.n_other += reading.n_other
    if not whole.lines and not whole.rejects:
        raise InvoiceFileError(f"{', '.join(map(str, paths))}: no lines")
    if overlap := pages.overlap():
        raise InvoiceFileError(f"{overlap}: import one of them")
    whole.notes += pages.notes()
    whole.lines = [replace(line, line=place) for place, line in enumerate(whole.lines, start=1)]
    if time_zone not in (None, whole.time_zone):
        raise InvoiceFileError(
            f"{whole.format}'s exports are of days of {whole.time_zone}, not of {time_zone}"
        )
    _check_days(whole)
    return whole


def _check_files(paths: Sequence[Path], readings: Sequence[Reading]) -> None:
    """Refuse files of our own form that state the same of a day: one after the other, the later counts."""
    stated: dict[tuple[object, ...], tuple[Path, set[str]]] = {}
    for path, reading in zip(paths, readings, strict=True):
        here = {_subject(line): line for line in reading.lines}
        for subject, line in here.items():
            other, kinds = stated.setdefault(subject, (path, set()))
            if other != path and (line.kind in kinds or "both" in (line.kind, *kinds)):
                raise InvoiceFileError(
                    f"{other} and {path} both state {line.day} of {line.provider} {line.model or ''}:"
                    " import them one after the other, and the later one counts"
                )
            kinds.add(line.kind)


def _subject(line: InvoiceLine) -> tuple[object, ...]:
    return (line.provider, line.day, line.item, line.model, line.key_id, line.project, line.service_tier)


def _check_days(reading: Reading) -> None:
    """Refuse days that begin within an hour, as India's do: charges are compared by whole hours of UTC."""
    zone = ZoneInfo(reading.time_zone)
    for day in {line.day for line in reading.lines}:
        offset = datetime(day.year, day.month, day.day, tzinfo=zone).utcoffset()
        if offset is not None and offset % timedelta(hours=1):
            raise InvoiceFileError(
                f"days of {reading.time_zone} begin within an hour of UTC, and charges are compared by whole"
                " hours: ask the provider for days of UTC"
            )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvoiceFileError(f"{path}: {error}") from None


def _read(path: Path, text: str, *, time_zone: str | None, pages: Pages) -> Reading:
    if text.lstrip()[:1] in ("{", "["):
        return _read_json(path, text, pages)
    return _read_csv(path, text, time_zone)


def _read_json(path: Path, text: str, pages: Pages) -> Reading:
    items = _items(path, text)
    if all(openai.is_page(item) for item in items):
        reading = Reading("openai", pages=pages)
        for page in items:
            openai.read_page(page, into=reading)
        return reading
    if all(anthropic.is_page(item) for item in items):
        reading = Reading("anthropic", pages=pages)
        for page in items:
            anthropic.read_page(page, into=reading)
        return reading
    if "sku" in items[0] and "usage_start_time" in items[0]:
        reading = Reading("google", google.TIME_ZONE)
        for number, row in enumerate(items, start=1):
            google.read_row(row, number=number, into=reading)
        return reading
    raise InvoiceFileError(f"{path}: JSON of no known report (OpenAI's, Anthropic's or Google's export)")


def _items(path: Path, text: str) -> list[Mapping[str, Any]]:
    """The objects of a JSON file: one, a list of them, or one a line."""
    try:
        try:
            given: Any = json.loads(text, parse_float=Decimal)
        except json.JSONDecodeError:
            given = [json.loads(line, parse_float=Decimal) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise InvoiceFileError(f"{path}: no JSON: {error}") from None
    items: list[Any] = given if isinstance(given, list) else [given]
    if not items or not all(isinstance(item, dict) for item in items):
        raise InvoiceFileError(f"{path}: not an object, nor a list of them")
    return items


def _read_csv(path: Path, text: str, time_zone: str | None) -> Reading:
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        names = [(name or "").replace("_description", ".description") for name in reader.fieldnames or ()]
        columns = set(names)
        if doubled := {name for name in columns if names.count(name) > 1}:
            raise InvoiceFileError(f"{path}: column {min(doubled)[:60]!r} stands twice")
        if columns >= google.COLUMNS:
            reading = Reading("google", google.TIME_ZONE)
            for row in reader:
                dotted = {(key or "").replace("_description", ".description"): row[key] for key in row}
                google.read_row(dotted, number=reader.line_num, into=reading)
            return reading
        if missing := own.REQUIRED - columns:
            raise InvoiceFileError(f"{path}: no column {', '.join(sorted(missing))}")
        if unknown := columns - own.COLUMNS:
            raise InvoiceFileError(f"{path}: unknown column {min(unknown)[:60]!r}")
        reading = Reading("csv", time_zone or "UTC")
        for row in reader:
            own.read_row(row, number=reader.line_num, into=reading)
        return reading
    except csv.Error as error:
        raise InvoiceFileError(f"{path}: {error}") from None
