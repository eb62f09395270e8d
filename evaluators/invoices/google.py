"""Rows of Google Cloud's billing export (the BigQuery table), as CSV or JSON lines.

Source: "Structure of the standard data export". Google's billing days are those of Los Angeles, with its
daylight-saving switches. A row is of a SKU: its description names model and kind of token. Credits are rows
of their own here. `currency_conversion_rate` is units of `currency` a USD.
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from evaluators.invoices.lines import (
    STANDARD,
    TOKENS,
    InvoiceLine,
    Reading,
    Reject,
    amount,
    checked,
    count,
    day_of,
    mapping,
    name,
)

TIME_ZONE: Final = "America/Los_Angeles"
COLUMNS: Final = frozenset({"service.description", "sku.description", "usage_start_time", "cost", "currency"})
_SERVICES: Final = ("gemini", "generative language", "vertex ai", "agent platform")
_MODEL: Final = re.compile(
    r"\b(gemini|gemma)[ -](\d+(?:\.\d+)?)[ -](pro|flash|ultra|nano)(?:[ -](lite|image))?", re.IGNORECASE
)


def read_row(row: Mapping[str, Any], *, number: int, into: Reading) -> None:
    """Add a row's lines; rows of other services are counted and left out."""
    try:
        flat = dict(_flat(row))
        service = (name(flat.get("service.description"), what="service") or "").lower()
        if not any(each in service for each in _SERVICES):
            into.n_other += 1
            return
        into.lines.extend(_lines(flat, number=number, granted=row.get("credits")))
    except ValueError as error:
        into.rejects.append(Reject(number, str(error)))


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict) and not prefix:
            yield from _flat(value, f"{key}.")
        else:
            yield prefix + key, value


def _lines(flat: Mapping[str, Any], *, number: int, granted: object) -> Iterator[InvoiceLine]:
    sku = name(flat.get("sku.description"), what="sku") or ""
    rate = _rate(flat)
    found = _MODEL.search(sku)
    bucket = _bucket(sku)
    shared: dict[str, Any] = {
        "line": number,
        "provider": "google",
        "day": day_of(flat.get("usage_start_time"), time_zone=TIME_ZONE, what="usage_start_time"),
        "project": name(flat.get("project.id"), what="project"),
        "service_tier": "batch" if "batch" in sku.lower() else STANDARD,
        "model": "-".join(part.lower() for part in found.groups() if part) if found else None,
    }
    cost = amount(flat.get("cost"), what="cost")
    # What Google gives back for tokens is billed as a row of them below 0.
    is_returned = cost is not None and cost < 0
    is_tokens = found is not None and bucket is not None and not is_returned
    tokens: dict[str, Any] = {}
    if bucket and is_tokens and _is_counted(flat):
        tokens = {bucket: count(flat.get("usage.amount"), what="usage.amount")}
    yield checked(
        InvoiceLine(
            **shared,
            **tokens,
            item=TOKENS if is_tokens else f"credit: {sku}" if is_returned else sku,
            amount_usd=None if cost is None else cost / rate,
        )
    )
    for credit in _credits(granted):
        given = mapping(credit, what="a credit")
        value = amount(given.get("amount"), what="credit")
        kind = name(given.get("type") or given.get("name"), what="credit") or "credit"
        if value:
            yield InvoiceLine(**shared, item=f"credit: {kind}", amount_usd=value / rate)


def _credits(granted: object) -> list[object]:
    """The list of a row's credits; a CSV has it as JSON in a cell."""
    if isinstance(granted, str) and granted.strip():
        try:
            granted = json.loads(granted, parse_float=Decimal)
        except ValueError:
            raise ValueError(f"credits {granted[:30]!r} are no JSON list") from None
    if granted is None or granted == "":
        return []
    if not isinstance(granted, list):
        raise ValueError("credits are no list")  # noqa: TRY004  readers turn it into a reject
    return granted


def _rate(flat: Mapping[str, Any]) -> Decimal:
    if str(flat.get("currency") or "").upper() == "USD":
        return Decimal(1)
    rate = amount(flat.get("currency_conversion_rate"), what="currency_conversion_rate")
    if not rate or rate < 0:
        raise ValueError(f"currency {str(flat.get('currency'))[:10]!r} without a currency_conversion_rate")
    return rate


def _bucket(sku: str) -> str | None:
    text = sku.lower()
    model = _MODEL.search(text)
    kinds = _MODEL.sub("", text)
    draws = model is not None and model.group(4) == "image" and "text" not in kinds and "output" in text
    media = "_audio" if "audio" in text else "_image" if draws or "image" in kinds else ""
    if "cach" in text:
        return None if "storage" in text else "cache_read"
    if "output" in text or "thinking" in text:
        return f"output{media}"
    if "input" in text:
        return f"input{media}" if media else "input_uncached"
    return None


def _is_counted(flat: Mapping[str, Any]) -> bool:
    return str(flat.get("usage.unit") or "").lower() in ("count", "tokens", "requests")
