"""OpenAI's usage and costs API: pages of time buckets.

Sources: API reference of `GET /v1/organization/usage/completions` (and embeddings, moderations, …) and
`GET /v1/organization/costs`. Times are UTC. `input_tokens` contains cached tokens; where a result names
`input_text_tokens` it contains audio and images as well.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
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

_MEDIA = (", audio input", ", audio output", ", image input", ", image output")
_KINDS = (", input", ", cached input", ", output", ", cache write", *_MEDIA)


def is_page(page: Mapping[str, Any]) -> bool:
    """Whether it is a page of this API."""
    return page.get("object") == "page"


def read_page(page: Mapping[str, Any], *, into: Reading) -> None:
    """Add a page's results; a bucket longer than a day has no day and is rejected."""
    data = page.get("data")
    into.pages.end(page, end="end_time")
    for bucket in data if isinstance(data, list) else []:
        for result in _results(bucket, into):
            number = len(into.lines) + len(into.rejects) + 1
            try:
                given = mapping(result, what="a result")
                into.pages.result(bucket, given)
                into.pages.bucket(bucket, start="start_time", end="end_time", kind=str(given.get("object")))
                into.lines.append(_line(given, bucket, number=number))
            except ValueError as error:
                into.rejects.append(Reject(number, str(error)))


def _results(bucket: object, into: Reading) -> Iterator[object]:
    if isinstance(bucket, dict) and isinstance(results := bucket.get("results", bucket.get("result")), list):
        into.pages.bucket(bucket, start="start_time", end="end_time")
        yield from results
        return
    into.rejects.append(Reject(len(into.lines) + len(into.rejects) + 1, "a bucket without results"))


def _line(result: dict[str, Any], bucket: Mapping[str, Any], *, number: int) -> InvoiceLine:
    start, end = bucket.get("start_time"), bucket.get("end_time")
    if isinstance(start, int) and isinstance(end, int) and end - start > timedelta(days=1).total_seconds():
        raise ValueError("a bucket longer than a day; ask for bucket_width=1d")
    day = day_of(start, time_zone="UTC", what="start_time")
    kind = str(result.get("object"))
    project = name(result.get("project_id"), what="project_id")
    if kind == "organization.costs.result":
        item, model = _line_item(name(result.get("line_item"), what="line_item"))
        usd = _usd(mapping(result.get("amount"), what="amount"))
        # A grant or a refund stands under the line item it is for.
        if item == TOKENS and usd is not None and usd < 0:
            item = f"credit: {result.get('line_item') or 'all'}"
        return checked(
            InvoiceLine(
                line=number,
                provider="openai",
                day=day,
                item=item,
                model=model,
                project=project,
                amount_usd=usd,
            )
        )
    if not kind.startswith("organization.usage."):
        raise ValueError(f"object {kind[:60]!r} is neither usage nor costs")
    read = count(result.get("input_cached_tokens"), what="input_cached_tokens") or 0
    written = count(result.get("input_cache_write_tokens"), what="input_cache_write_tokens") or 0
    audio = count(result.get("input_audio_tokens"), what="input_audio_tokens") or 0
    spoken = count(result.get("output_audio_tokens"), what="output_audio_tokens") or 0
    seen = count(result.get("input_image_tokens"), what="input_image_tokens") or 0
    seen -= count(result.get("input_cached_image_tokens"), what="input_cached_image_tokens") or 0
    drawn = count(result.get("output_image_tokens"), what="output_image_tokens") or 0
    text_in = count(result.get("input_tokens"), what="input_tokens")
    text_out = count(result.get("output_tokens"), what="output_tokens")
    includes_media = result.get("input_text_tokens") is not None
    if text_in is not None:
        text_in -= read + written + (audio + seen if includes_media else 0)
    if text_out is not None and includes_media:
        text_out -= spoken + drawn
    if (text_in or 0) < 0 or (text_out or 0) < 0 or seen < 0:
        raise ValueError("parts of the tokens are more than their sum")
    return checked(
        InvoiceLine(
            line=number,
            provider="openai",
            day=day,
            model=name(result.get("model"), what="model"),
            key_id=name(result.get("api_key_id"), what="api_key_id"),
            project=project,
            service_tier="batch" if result.get("batch") is True else tier(result.get("service_tier")),
            n_requests=count(result.get("num_model_requests"), what="num_model_requests"),
            input_uncached=text_in,
            cache_read=read,
            cache_write=written,
            input_audio=audio,
            input_image=seen,
            output=text_out,
            output_audio=spoken,
            output_image=drawn,
        )
    )


def _usd(cost: Mapping[str, Any]) -> Decimal | None:
    if str(cost.get("currency") or "usd").lower() != "usd":
        raise ValueError(f"currency {str(cost.get('currency'))[:10]!r} is not USD")
    return amount(cost.get("value"))


def _line_item(text: str | None) -> tuple[str, str | None]:
    """(item, model) of "gpt-4o-2024-08-06, input"; what names no kind of token is a fee."""
    if text is None:
        return TOKENS, None
    model, comma, kind = text.partition(", ")
    if comma and f", {kind.lower()}".startswith(_KINDS):
        return TOKENS, model
    return text, None
