"""Anthropic's usage report and cost report: pages of time buckets.

Sources: API reference of `GET /v1/organizations/usage_report/messages` and `…/cost_report`. Times are UTC;
input excludes cache reads and writes; amounts of the cost report are decimal strings in cents.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from evaluators.invoices.lines import (
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
    tier,
)


def is_page(page: Mapping[str, Any]) -> bool:
    """Whether it is a page of these reports: a list of buckets that begin with `starting_at`, or of none."""
    data = page.get("data")
    if data == []:
        return "has_more" in page
    return isinstance(data, list) and isinstance(data[0], dict) and "starting_at" in data[0]


def read_page(page: Mapping[str, Any], *, into: Reading) -> None:
    """Add a page's results."""
    into.pages.end(page, end="ending_at")
    for bucket in page["data"]:
        results = bucket.get("results") if isinstance(bucket, dict) else None
        if isinstance(results, list):
            into.pages.bucket(bucket, start="starting_at", end="ending_at")
        for result in results if isinstance(results, list) else [None]:
            number = len(into.lines) + len(into.rejects) + 1
            try:
                given = mapping(result, what="a result")
                kind = "costs" if "amount" in given else "usage"
                into.pages.result(bucket, given)
                into.pages.bucket(bucket, start="starting_at", end="ending_at", kind=kind)
                into.lines.append(_line(given, bucket, number=number))
            except ValueError as error:
                into.rejects.append(Reject(number, str(error)))


def _line(result: dict[str, Any], bucket: Mapping[str, Any], *, number: int) -> InvoiceLine:
    day = day_of(bucket.get("starting_at"), time_zone="UTC", what="starting_at")
    if _is_longer_than_a_day(bucket):
        raise ValueError("a bucket longer than a day; ask for bucket_width=1d")
    model = name(result.get("model"), what="model")
    key = name(result.get("api_key_id"), what="api_key_id")
    workspace = name(result.get("workspace_id"), what="workspace_id")
    paid = tier(result.get("service_tier"))
    if "amount" in result:
        return _cost(result, number=number, day=day, model=model, project=workspace, service_tier=paid)
    writes = mapping(result.get("cache_creation") or {}, what="cache_creation")
    return checked(
        InvoiceLine(
            line=number,
            provider="anthropic",
            day=day,
            model=model,
            key_id=key,
            project=workspace,
            service_tier=paid,
            input_uncached=count(result.get("uncached_input_tokens"), what="uncached_input_tokens"),
            cache_read=count(result.get("cache_read_input_tokens"), what="cache_read_input_tokens"),
            cache_write=count(writes.get("ephemeral_5m_input_tokens"), what="ephemeral_5m_input_tokens"),
            cache_write_1h=count(writes.get("ephemeral_1h_input_tokens"), what="ephemeral_1h_input_tokens"),
            output=count(result.get("output_tokens"), what="output_tokens"),
        )
    )


def _cost(result: dict[str, Any], *, number: int, **given: Any) -> InvoiceLine:
    if str(result.get("currency") or "USD").upper() != "USD":
        raise ValueError(f"currency {str(result.get('currency'))[:10]!r} is not USD")
    cents = amount(result.get("amount"))
    kind = name(result.get("cost_type"), what="cost_type") or TOKENS
    if kind == TOKENS and cents is not None and cents < 0:
        kind = "credit: tokens"
    return checked(
        InvoiceLine(
            line=number,
            provider="anthropic",
            item=kind,
            amount_usd=None if cents is None else cents / 100,
            **given,
        )
    )


def _is_longer_than_a_day(bucket: Mapping[str, Any]) -> bool:
    try:
        start, end = (datetime.fromisoformat(str(bucket.get(key))) for key in ("starting_at", "ending_at"))
        return end - start > timedelta(days=1)
    except (ValueError, TypeError):
        return False
