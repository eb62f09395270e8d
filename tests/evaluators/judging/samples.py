"""Items and judges that the tests of judging share."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any

from evaluators.judging.client import open_client
from evaluators.judging.items import JudgeItem, Message
from evaluators.judging.judge import JudgeSpec
from evaluators.judging.retrying import RetryPolicy
from evaluators.judging.rubrics import shipped_rubrics
from tests.judge_endpoint import JudgeEndpoint

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUICK = RetryPolicy(attempts=3, first_wait_s=0.001, longest_wait_s=0.002, timeout_s=10)


def item(
    answer: str = "Paris is the capital of France.",
    *,
    prompt: str = "What is the capital of France?",
    number: int = 0,
    **fields: Any,
) -> JudgeItem:
    conversation = fields.pop("conversation", (Message("user", prompt),))
    call_id = f"00000000-0000-7000-8000-{number:012d}"
    return JudgeItem(call_id=call_id, started_at=AT, conversation=conversation, answer=answer, **fields)


def spec(rubric: str = "helpfulness", **fields: Any) -> JudgeSpec:
    return JudgeSpec(shipped_rubrics()[rubric], **({"model": "judge-1"} | fields))


def client_of(endpoint: JudgeEndpoint, *, retry: RetryPolicy = QUICK) -> Any:
    """A context manager with a client of the simulated endpoint."""
    return open_client(base_url=endpoint.url, api_key="test", retry=retry)


async def stream(items: Iterable[JudgeItem]) -> AsyncIterator[JudgeItem]:
    for one in items:
        yield one
