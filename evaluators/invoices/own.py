"""Our own form of an invoice: a CSV with the columns of docs/invoices.md."""

from collections.abc import Mapping
from typing import Any, Final

from evaluators.invoices.lines import (
    TOKENS,
    InvoiceLine,
    Reading,
    Reject,
    amount,
    checked,
    count,
    day_of,
    name,
    tier,
)

REQUIRED: Final = frozenset({"day", "provider"})
COUNTS: Final = (
    "n_requests",
    "input_uncached",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "output",
    "output_audio",
    "output_image",
)
COLUMNS: Final = REQUIRED | {"model", "key_id", "project", "item", "service_tier", "amount_usd", *COUNTS}


def read_row(row: Mapping[str, Any], *, number: int, into: Reading) -> None:
    """Add a row of the CSV."""
    try:
        if None in row:
            raise ValueError("more cells than columns")
        provider = name(row.get("provider"), what="provider")
        if provider is None:
            raise ValueError("no provider")
        counts: dict[str, Any] = {each: count(row.get(each), what=each) for each in COUNTS}
        into.lines.append(
            checked(
                InvoiceLine(
                    line=number,
                    provider=provider.lower(),
                    day=day_of(row.get("day"), time_zone=into.time_zone),
                    item=name(row.get("item"), what="item") or TOKENS,
                    model=name(row.get("model"), what="model"),
                    key_id=name(row.get("key_id"), what="key_id"),
                    project=name(row.get("project"), what="project"),
                    service_tier=tier(row.get("service_tier")),
                    amount_usd=amount(row.get("amount_usd"), what="amount_usd"),
                    **counts,
                )
            )
        )
    except ValueError as error:
        into.rejects.append(Reject(number, str(error)))
