"""What `lqo explain` says of a call and of each of its charges."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from evaluators.pricing.rows import PriceRow

Row = dict[str, Any]

REASONS: Final = {
    "no_usage": "the provider reported no usage",
    "unknown_model": "no price is about this provider and model: lqo prices set",
    "unpriced_date": "the model has prices, but none for calls of that time: lqo prices history MODEL",
    "unpriced_service_tier": "the model has no price at this service tier: lqo prices set … --tier TIER",
    "unpriced_bucket": "there are tokens of a kind that the model has no price for: lqo prices set",
    "unpriced_fee": "it also used what is billed by the piece: its tokens are only a part of its cost",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a charge was made from: `usage` is JSON text, `stated_tier` what is said of it beside that."""

    provider: str
    endpoint: str
    usage: str | None
    stated_tier: str | None

    @property
    def tier(self) -> str:
        from evaluators.pricing.book import call_tier

        return call_tier(self._object, stated=self.stated_tier)

    @property
    def problem(self) -> str:
        """What is wrong with a usage object that has no buckets; empty for one that has."""
        from evaluators.usage import Unbucketed, count_tokens

        found = count_tokens(self._object, provider=self.provider, endpoint=self.endpoint)
        return found.detail if isinstance(found, Unbucketed) else ""

    @property
    def _object(self) -> object:
        return None if self.usage is None else json.loads(self.usage)


def call_lines(call_id: UUID, call: Row) -> Iterator[str]:
    """Who called what, and the usage object as the provider sent it."""
    yield f"call      {call_id}  ({call['source']}, {call['purpose']}, {call['status']})"
    if call["external_id"]:
        yield f"known as  {call['external_id']}"
    yield f"made at   {_when(call['started_at'])}, project {call['project'] or '(none)'}"
    asked = call["requested_model"]
    yield f"model     {call['provider']} {call['served_model'] or asked}" + (
        f", asked for as {asked}" if call["served_model"] not in (None, asked) else ""
    )
    yield f"usage     {_one_line(call['usage_raw'] or call['usage'] or 'none reported')}"


def budget_lines(reservations: Iterable[Row]) -> Iterator[str]:
    """What the call took out of each budget over it, by the proxy's count."""
    for row in reservations:
        held = "an amount that is lost" if row["reserved_usd"] is None else _usd(row["reserved_usd"])
        spent = "still held" if row["spent_usd"] is None else f"spent {_usd(row['spent_usd'])}"
        why = ", as much as was reserved: nobody saw its end" if row["is_presumed"] else ""
        yield f"budget    {row['account']}: reserved {held}, {spent}{why}"


def charge_lines(
    charge: Row, prices: "Mapping[int, PriceRow]", *, attempt: Attempt | None, usage: str | None
) -> Iterator[str]:
    """One charge: when it was made, its buckets with the rows that priced them, and its amount or reason."""
    state = "stands" if charge["superseded_at"] is None else f"until {_when(charge['superseded_at'])}"
    reason = "" if charge["reason"] is None else f" ({charge['reason']})"
    yield f"attempt {charge['attempt']}, {charge['provider']} {charge['model']}"
    yield f"  charged {_when(charge['charged_at'])}, price version {charge['price_version']}; {state}{reason}"
    if attempt is not None and attempt.usage not in (usage, None):
        yield f"  usage {_one_line(attempt.usage or '')}"
    if attempt is not None and attempt.tier != "standard":
        yield f"  service tier {attempt.tier}"
    used = {row.bucket: row for number in charge["price_row_ids"] if (row := prices.get(number))}
    yield from _bucket_lines(charge, used, all_known=len(used) == len(charge["price_row_ids"]))
    yield f"  {_outcome(charge, attempt)}"
    if charge["is_provisional"]:
        yield "  the call broke off; if its end comes later, it is charged again"
    if charge["reported_usd"] is not None:
        yield f"  the provider itself says {_usd(charge['reported_usd'])}"


def _outcome(charge: Row, attempt: Attempt | None) -> str:
    if charge["amount_usd"] is not None:
        return f"amount {_usd(charge['amount_usd'])}"
    reason: str = charge["unpriced_reason"]
    detail = REASONS.get(reason.partition(":")[0]) or (attempt.problem if attempt else "")
    return f"no amount: {reason}" + (f" ({detail})" if detail else "")


def _bucket_lines(charge: Row, used: "Mapping[str, PriceRow]", *, all_known: bool) -> Iterator[str]:
    from evaluators.pricing.timeline import CLAUDE_FALLBACKS, FALLBACKS
    from evaluators.usage import BUCKETS

    derived = {bucket: (source, factor) for bucket, source, factor in FALLBACKS + CLAUDE_FALLBACKS}
    total, amount = Decimal(0), charge["amount_usd"]
    for bucket in BUCKETS:
        tokens = charge[bucket]
        if not tokens:
            continue
        source, factor = (bucket, Decimal(1)) if bucket in used else derived.get(bucket, (bucket, Decimal(1)))
        row = used.get(source)
        if row is None:
            yield f"  {bucket:<15}{tokens:>12,}" + ("" if amount is None else "  no price row")
            continue
        cost = tokens * row.usd_per_million * factor / 1_000_000
        total += cost
        times = "" if factor == 1 else f" x {factor}"
        yield f"  {bucket:<15}{tokens:>12,}  x {_usd(row.usd_per_million)}{times} per million = {_usd(cost)}"
        yield f"    {_row(row)}"
    if amount is not None and all_known and abs(total - amount) > Decimal("1e-12"):
        yield f"  these add up to {_usd(total)}, which is not the amount"


def _row(row: "PriceRow") -> str:
    until = "" if row.valid_to is None else f" to {_when(row.valid_to)}"
    conditions = f", {row.service_tier}" + (
        f", over {row.min_input_tokens:,} input tokens" if row.min_input_tokens else ""
    )
    known = "" if row.superseded_at is None else f", superseded {_when(row.superseded_at)}"
    name = f"{row.model}*" if row.match == "prefix" else row.model
    return (
        f"row {row.id}: {row.provider or '(any)'} {name}, {row.bucket}{conditions}, for calls from"
        f" {_when(row.valid_from)}{until}; version {row.price_version}, recorded"
        f" {_when(row.recorded_at)}{known}; {row.source}"
    )


def _usd(amount: Decimal) -> str:
    return f"${amount.normalize():f}"


def _when(time: datetime) -> str:
    """To the millisecond: a charge may be superseded within the second in which it was made."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace(".000", "").replace("+00:00", "Z")


def _one_line(text: str) -> str:
    return " ".join(text.split())
