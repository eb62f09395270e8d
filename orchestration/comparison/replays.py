"""Answers that a comparison asks for are calls like any other: they land with purpose `replay`."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from evaluators.judging.exchanges import Exchange
from ingest.call import Attempt, Call
from ingest.providers.answers import SERVICE_TIER_TAG
from ingest.providers.openai_chat import read_exchange
from ingest.uuid7 import uuid7
from orchestration.comparison.endpoints import Endpoint

CHAT = "/v1/chat/completions"
TAG = "lqo.eval_run"


def replay_call(exchange: Exchange, *, endpoint: Endpoint, run_id: UUID, tags: Mapping[str, str]) -> Call:
    """The exchange as a call of `raw.llm_calls`; one that failed is a row, too."""
    last = exchange.attempts[-1]
    said = read_exchange(
        request=exchange.raw_request,
        response=exchange.raw_response,
        is_streamed=False,
        http_status=last.status,
    )
    started_at = exchange.attempts[0].started_at
    ended_at = last.started_at + timedelta(milliseconds=last.latency_ms)
    tier = {} if said.service_tier is None else {SERVICE_TIER_TAG: said.service_tier}
    is_ok = last.status is not None and last.status < 300 and said.error_type is None
    return Call(
        call_id=uuid7(started_at),
        started_at=started_at,
        ended_at=ended_at,
        source="import",
        endpoint=CHAT,
        provider=endpoint.provider,
        requested_model=endpoint.model,
        served_model=said.served_model,
        tags={TAG: str(run_id), **tags, **tier},
        status="ok" if is_ok else "error",
        http_status=last.status,
        error_type=None if is_ok else said.error_type or last.error or "error",
        error_message=said.error_message,
        finish_reason=said.finish_reason,
        latency_ms=(ended_at - started_at) / timedelta(milliseconds=1),
        usage=said.usage,
        usage_raw=said.usage_raw,
        purpose="replay",
        attempts=tuple(
            Attempt(
                provider=endpoint.provider,
                model=endpoint.model,
                status=each.status,
                error_type=each.error,
                started_at=each.started_at,
                latency_ms=each.latency_ms,
            )
            for each in exchange.attempts
        ),
        request=exchange.raw_request,
        response=exchange.raw_response or None,
        input_text=said.input_text,
        output_text=said.output_text,
    )
