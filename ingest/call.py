"""One finished LLM call: the record that the loader and every importer land."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

Source = Literal["proxy", "import", "otlp"]
Status = Literal["ok", "error", "interrupted", "client_gone"]
Purpose = Literal["product", "judge", "replay", "demo"]
BodyState = Literal["full", "text", "masked", "none", "shed"]


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One provider attempt behind a call; `usage` is the provider's own object."""

    provider: str
    model: str
    status: int | None = None
    error_type: str | None = None
    started_at: datetime | None = None
    latency_ms: float | None = None
    usage: dict[str, Any] | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The columns of `raw.llm_calls` and `raw.llm_bodies`, before landing.

    `call_id` is a v7 whose time is `started_at` to the millisecond. `usage_raw` is the provider's
    usage object as received; `usage` the same, read. `request` and `response` are the original bytes
    (not compressed). Times are aware UTC; latencies are milliseconds.
    """

    call_id: UUID
    started_at: datetime
    ended_at: datetime | None = None
    external_id: str | None = None
    source: Source
    endpoint: str
    provider: str
    requested_model: str
    served_model: str | None = None
    project: str | None = None
    environment: str | None = None
    key_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    tags: dict[str, Any] = {}
    is_streamed: bool = False
    status: Status
    http_status: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    finish_reason: str | None = None
    ttft_ms: float | None = None
    latency_ms: float | None = None
    usage: dict[str, Any] | None = None
    usage_raw: str | None = None
    purpose: Purpose = "product"
    body_state: BodyState = "full"
    attempts: tuple[Attempt, ...] = ()
    request: bytes | None = None
    response: bytes | None = None
    input_text: str | None = None
    output_text: str | None = None
