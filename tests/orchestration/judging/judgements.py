"""Judgements made by hand."""

import json
from datetime import UTC, datetime

from evaluators.judging.asking import Judgement
from evaluators.judging.exchanges import Attempt
from tests.orchestration.seeding import DAY_START


def asked_judgement(*, value: int | None = 4, status: int = 200) -> Judgement:
    """A judgement of one request that was answered just now."""
    at = datetime.now(UTC)
    request = {"model": "judge-model", "messages": [{"role": "user", "content": "질문 🙂"}]}
    answer = {
        "model": "judge-model-2026",
        "choices": [{"message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
    return Judgement(
        call_id="0199e0a0-0000-7000-8000-000000000000",
        started_at=DAY_START,
        content_hash=b"\x01" * 32,
        evaluator="helpfulness",
        evaluator_version="1.0.0+abc",
        judge_model="judge-model-2026",
        value=value,
        label="good",
        explanation="because",
        usage=answer["usage"],  # type: ignore[arg-type]
        raw_request=json.dumps(request).encode(),
        raw_response=json.dumps(answer).encode(),
        asked_at=at,
        latency_ms=12.5,
        attempts=(Attempt(at, 12.5, status),),
    )
