"""What a receipt says of one call. Amounts are exact decimals, as strings; times are UTC."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from reports.api.amounts import Amount
from reports.api.calls import CallRow


class LandedCall(msgspec.Struct, frozen=True, kw_only=True):
    """The call as it landed. `usage_raw` is the provider's own usage, as received. `attempts` are all
    provider attempts behind it, in order. `body_state` says what was kept of its text."""

    call_id: UUID
    external_id: str | None
    started_at: datetime
    ended_at: datetime | None
    source: str
    endpoint: str
    provider: str
    requested_model: str
    served_model: str | None
    project: str | None
    environment: str | None
    key_id: str | None
    user_id: str | None
    session_id: str | None
    trace_id: str | None
    prompt_name: str | None
    prompt_version: str | None
    tags: dict[str, Any]
    is_streamed: bool
    purpose: str
    status: str
    http_status: int | None
    error_type: str | None
    error_message: str | None
    finish_reason: str | None
    ttft_ms: float | None
    latency_ms: float | None
    usage: dict[str, Any] | None
    usage_raw: str | None
    body_state: str
    attempts: list[dict[str, Any]]
    load_id: UUID
    landed_at: datetime


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """The last user message and the answer; null where nothing was kept, or it is past its retention.

    `request` and `response` are the original bodies, as text, where `bodies=true` asked for them.
    """

    input_text: str | None
    output_text: str | None
    request: str | None = None
    response: str | None = None


class ReceiptScore(msgspec.Struct, frozen=True, kw_only=True):
    """What one version of one evaluator says. `is_current`: it was the version in force when the call came.

    `reason` is a rule's evidence or a judge's explanation; `unscored_reason` says why there is no value.
    """

    evaluator: str
    evaluator_version: str
    kind: str
    status: str
    is_current: bool
    severity: str | None
    rule_set_version: int | None
    value: float | None
    label: str | None
    unscored_reason: str | None
    reason: str | None
    details: dict[str, Any] | None
    judge_model: str | None
    inclusion_probability: float | None
    cost_usd: Amount | None
    scored_at: datetime


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the price book that a charge rests on."""

    id: int
    provider: str | None
    model: str
    match: str
    bucket: str
    usd_per_million: Amount
    min_input_tokens: int
    service_tier: str
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    superseded_at: datetime | None
    source: str
    price_version: int


class ReceiptCharge(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt cost: exclusive token buckets, and the price rows that they were multiplied with.

    `superseded_at` null: this is the current charge; else it was replaced then, for `reason`.
    """

    attempt: int
    provider: str
    model: str
    buckets: dict[str, int]
    amount_usd: Amount | None
    unpriced_reason: str | None
    reported_usd: Amount | None
    is_provisional: bool
    price_version: int | None
    price_rows: list[PriceRow]
    charged_at: datetime
    superseded_at: datetime | None
    reason: str | None


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What an end user said of the call."""

    name: str
    value: Amount | None
    comment: str | None
    at: datetime


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of one call.

    `in_marts` is the call as charts count it; null for calls that they leave out (judges, replays,
    `quarantined` ones) or do not have yet.
    """

    call: LandedCall
    in_marts: CallRow | None
    quarantined: list[str]
    text: Text
    scores: list[ReceiptScore]
    charges: list[ReceiptCharge]
    feedback: list[Opinion]
    prompt_template: str | None
