"""A judge's calls land as calls of their own: purpose `judge`, their bodies kept, priced like any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.call import Attempt, Call
from ingest.landing.land import land_calls
from ingest.landing.loads import count_load, open_load
from ingest.providers.answers import SERVICE_TIER_TAG
from ingest.providers.openai_chat import read_exchange
from ingest.uuid7 import EPOCH, derived_uuid7, milliseconds

if TYPE_CHECKING:
    from evaluators.judging.asking import Judgement

ENDPOINT: Final = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked: the judge's name and the provider that is billed. `service_tier` such as batch or flex."""

    judge: str
    provider: str
    model: str
    service_tier: str | None = None


def judge_call_id(judgement: "Judgement") -> UUID | None:
    """The id of the call that the exchange is, the same on every run; None where nobody was asked."""
    if judgement.asked_at is None or not judgement.attempts:
        return None
    key = f"judge/{judgement.evaluator_version}/{judgement.content_hash.hex()}".encode()
    return derived_uuid7(judgement.asked_at, key=key)


def land_judge_calls(
    connection: Connection[TupleRow], judgements: Sequence["Judgement"], *, asker: Asker
) -> int:
    """Land the exchanges behind the judgements, in the caller's transaction if there is one.

    Judgements that nobody was asked for (reused, not applicable) land nothing; the same judgements again
    change nothing. Returns how many rows were new.
    """
    calls = [call for judgement in judgements if (call := judge_call(judgement, asker=asker)) is not None]
    if not calls:
        return 0
    load_id = uuid5(NAMESPACE_URL, f"lqo:judge:{asker.judge}")
    open_load(connection, load_id, kind="import", origin=f"judge {asker.judge}")
    result = land_calls(
        connection, calls, load_id=load_id, origin=f"judge {asker.judge}", now=datetime.now(UTC)
    )
    count_load(connection, load_id, result)
    return result.landed


def judge_call(judgement: "Judgement", *, asker: Asker) -> Call | None:
    """The judgement's exchange as a call, with every attempt; None where nobody was asked."""
    call_id = judge_call_id(judgement)
    if call_id is None or judgement.asked_at is None:
        return None
    started_at = EPOCH + timedelta(milliseconds=milliseconds(judgement.asked_at))
    last = judgement.attempts[-1]
    is_ok = last.status is not None and last.status < 300
    said = read_exchange(
        request=judgement.raw_request,
        response=judgement.raw_response,
        is_streamed=False,
        http_status=last.status,
    )
    latency_ms = max(judgement.latency_ms or 0.0, 0.0)
    return Call(
        call_id=call_id,
        started_at=started_at,
        ended_at=started_at + timedelta(milliseconds=latency_ms),
        source="import",
        endpoint=ENDPOINT,
        provider=asker.provider,
        requested_model=asker.model,
        served_model=said.served_model,
        tags=_tags(judgement, asker, answered=said.service_tier),
        status="ok" if is_ok else "error",
        http_status=last.status,
        error_type=None if is_ok else said.error_type or "no_answer",
        error_message=None if is_ok else said.error_message or last.error,
        finish_reason=said.finish_reason,
        latency_ms=latency_ms,
        usage=said.usage,
        usage_raw=said.usage_raw,
        purpose="judge",
        attempts=tuple(
            Attempt(
                provider=asker.provider,
                model=asker.model,
                status=attempt.status,
                error_type=attempt.error,
                started_at=attempt.started_at,
                latency_ms=attempt.latency_ms,
            )
            for attempt in judgement.attempts
        ),
        request=judgement.raw_request or None,
        response=judgement.raw_response or None,
        input_text=said.input_text,
        output_text=said.output_text,
    )


def _tags(judgement: "Judgement", asker: Asker, *, answered: str | None) -> dict[str, Any]:
    tags = {
        "judge": asker.judge,
        "evaluator": judgement.evaluator,
        "evaluator_version": judgement.evaluator_version,
        "judged_call_id": judgement.call_id,
    }
    tiers = {"service_tier": asker.service_tier, SERVICE_TIER_TAG: answered}
    return {**tags, **{name: tier for name, tier in tiers.items() if tier is not None}}
