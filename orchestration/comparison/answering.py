"""Asking a model the items of a dataset: bounded, turn by turn, each answer handed over at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from evaluators.judging.client import EndpointError, JudgeClient, open_client
from evaluators.judging.retrying import RetryPolicy
from ingest.call import Call
from orchestration.comparison.endpoints import Endpoint
from orchestration.comparison.items import EvalItem, Side
from orchestration.comparison.pool import work_through
from orchestration.comparison.replays import replay_call
from orchestration.comparison.store import Answered
from orchestration.comparison.till import LATER, Till

OnAnswer = Callable[[Answered, Sequence[Call]], None]
ERROR = "error"
NO_TEXT = "no_text"

_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")


class AskingFailedError(RuntimeError):
    """No further call can succeed; one line. What was answered before is kept."""


@dataclass(frozen=True, slots=True)
class Question:
    """An item that a side has not answered yet."""

    side: Side
    item: EvalItem


async def ask_questions(
    questions: Sequence[Question],
    *,
    endpoint: Endpoint,
    run_id: UUID,
    concurrency: int,
    on_answer: OnAnswer,
    retry: RetryPolicy | None = None,
    till: Till | None = None,
) -> None:
    """Ask every question, at most `concurrency` at once; `on_answer` has an answer before more is asked.

    A kill therefore loses no more answers than `concurrency`. A call that fails is an answer without text,
    with its reason, and so is one that `till` does not admit. Raises AskingFailedError where the endpoint
    refuses every call.
    """
    if not questions:
        return
    async with open_client(base_url=endpoint.base_url, api_key=endpoint.api_key(), retry=retry) as client:
        later = list[Question]()

        async def ask(question: Question) -> None:
            why = LATER if later else None if till is None else till.admit_answer(question.item, endpoint)
            if why == LATER:
                later.append(question)
            elif why:
                on_answer(_unasked(question, why), [])
            else:
                await ask_admitted(question)

        async def ask_admitted(question: Question) -> None:
            try:
                answered, calls = await _answer(question, client, endpoint, run_id=run_id)
            except EndpointError:
                if till is not None:
                    till.refund_answer(question.item, endpoint)
                raise
            # On the loop and not in a thread: a few milliseconds, and what is paid for is kept first.
            on_answer(answered, calls)

        try:
            waiting = list(questions)
            while waiting:
                await work_through(waiting, ask, concurrency=concurrency)
                assert len(later) < len(waiting), "nothing was out, and something was to wait for it"
                waiting, later = later, list[Question]()
        except EndpointError as error:
            said = str(error).removeprefix("the judge's ")
            raise AskingFailedError(f"{endpoint.name}: {said}") from None


def _unasked(question: Question, why: str) -> Answered:
    return Answered(side=question.side, item_id=question.item.item_id, answers=None, no_answer_reason=why)


async def _answer(
    question: Question, client: JudgeClient, endpoint: Endpoint, *, run_id: UUID
) -> tuple[Answered, list[Call]]:
    item, calls, answers = question.item, list[Call](), list[str]()
    tags = {"lqo.eval_item": item.item_id, "lqo.eval_side": question.side}
    problem: tuple[str, str] | None = None
    while problem is None and len(answers) < item.n_turns:
        messages = item.conversation(tuple(answers))
        exchange = await client.chat(endpoint.body(messages), name="answer", schema={}, output="text")
        call = replay_call(exchange, endpoint=endpoint, run_id=run_id, tags=tags)
        calls.append(call)
        if call.status != "ok":
            problem = ERROR, f"{call.error_type}: {call.error_message or ''}"
        elif call.output_text is None:
            problem = NO_TEXT, "the answer is no chat completion with a text"
        else:
            answers.append(call.output_text)
    answered = Answered(
        side=question.side,
        item_id=item.item_id,
        answers=None if problem else tuple(answers),
        no_answer_reason=problem and problem[0],
        no_answer_detail=problem and problem[1],
        origin="asked",
        call_id=calls[-1].call_id,
        answered_at=datetime.now(UTC),
        usage=_added(calls),
    )
    return answered, calls


def _added(calls: Sequence[Call]) -> dict[str, int]:
    """The tokens of all turns; what a provider does not tell is not there."""
    told: list[dict[str, Any]] = [call.usage for call in calls if call.usage]
    return {
        name: sum(usage[name] for usage in told if type(usage.get(name)) is int)
        for name in _TOKENS
        if any(type(usage.get(name)) is int for usage in told)
    }
