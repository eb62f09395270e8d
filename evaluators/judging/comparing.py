"""Asking a judge which of two answers is better: one order at a time, as a judgement like any other.

A choice is a number so that it is kept where every paid verdict is: 1 for the first answer shown, -1 for the
second, 0 for a tie; `label` says it in words.
"""

from dataclasses import replace
from typing import Any, Final

from evaluators.judging.asking import Judgement, parameters_of
from evaluators.judging.client import JudgeClient
from evaluators.judging.exchanges import Exchange, Reply, read_exchange
from evaluators.judging.fitting import left_out
from evaluators.judging.items import NOT_APPLICABLE
from evaluators.judging.models import is_same_model
from evaluators.judging.pairwise import (
    SCHEMA,
    SCHEMA_NAME,
    PairItem,
    PairJudge,
    PairVerdict,
    build_pair_messages,
    parse_choice,
)
from evaluators.judging.protocol import PARSE_ERROR, SAME_MODEL, TOO_LONG, Unscored
from evaluators.judging.win_rates import Choice

VALUES: Final[dict[Choice, int]] = {"first": 1, "second": -1, "tie": 0}


async def ask_pair(client: JudgeClient, judge: PairJudge, item: PairItem) -> Judgement:
    """The judge's choice, or why there is none; nothing is asked where none could come of it.

    Raises EndpointError where the endpoint cannot serve any call.
    """
    if why := unscorable_pair(judge, item):
        return _with_outcome(_judgement(judge, item), why)
    exchange = await client.chat(
        pair_request(judge, item), name=SCHEMA_NAME, schema=SCHEMA, output=judge.judge.output
    )
    return read_pair(judge, item, exchange)


def unscorable_pair(judge: PairJudge, item: PairItem) -> Unscored | None:
    """Why the pair is not worth a question: a piece the rubric needs is absent, its own judge, too long."""
    spec, given = judge.judge, {"context": item.context, "reference": item.reference}
    if absent := next((need for need in given if need in spec.rubric.needs and given[need] is None), None):
        return Unscored(NOT_APPLICABLE, f"there is no {absent}")
    if not spec.allows_same_model and is_same_model(spec.model, item.models):
        return Unscored(SAME_MODEL, f"{spec.model} would judge itself")
    if item.fitted(max_bytes=spec.max_input_bytes) is None:
        return Unscored(TOO_LONG, f"more than {spec.max_input_bytes} bytes would have to be shown whole")
    return None


def pair_request(judge: PairJudge, item: PairItem) -> dict[str, Any]:
    """The chat request but for its `response_format`. Raises ValueError for a pair that is too long."""
    conversation = item.fitted(max_bytes=judge.judge.max_input_bytes)
    if conversation is None:
        raise ValueError("the pair is too long to be asked about")
    messages = build_pair_messages(judge.judge.rubric, item, conversation=conversation, salt=judge.version)
    return {"model": judge.judge.model, "messages": messages, **parameters_of(judge.judge)}


def read_pair(judge: PairJudge, item: PairItem, exchange: Exchange) -> Judgement:
    """What an exchange about the pair says; never raises, whatever the endpoint answered."""
    reply = read_exchange(exchange)
    first, last = exchange.attempts[0], exchange.attempts[-1]
    waited = (last.started_at - first.started_at).total_seconds() * 1_000
    conversation = item.fitted(max_bytes=judge.judge.max_input_bytes) or ()
    judgement = replace(
        _judgement(judge, item),
        judge_model=reply.model or judge.judge.model,
        usage=reply.usage,
        raw_request=exchange.raw_request,
        raw_response=exchange.raw_response,
        asked_at=first.started_at,
        latency_ms=waited + last.latency_ms,
        attempts=exchange.attempts,
        details={"output": exchange.output, **left_out(conversation)},
    )
    return _with_outcome(judgement, _outcome(judge, item, reply))


def _outcome(judge: PairJudge, item: PairItem, reply: Reply) -> PairVerdict | Unscored:
    if reply.trouble:
        return reply.trouble
    if not judge.judge.allows_same_model and is_same_model(reply.model or "", item.models):
        return Unscored(SAME_MODEL, f"{reply.model} has judged itself")
    verdict = parse_choice(reply.text)
    if isinstance(verdict, PairVerdict) and _is_echo(verdict, item):
        return Unscored(PARSE_ERROR, "the verdict stands word for word in the judged text")
    return verdict


def _is_echo(verdict: PairVerdict, item: PairItem) -> bool:
    """Whether the judge only repeats a verdict that somebody wrote into the material for it."""
    texts = (item.first, item.second, item.context or "", *(turn.text for turn in item.conversation))
    return any("winner" in text and verdict.reason in text for text in texts)


def _judgement(judge: PairJudge, item: PairItem) -> Judgement:
    return Judgement(
        call_id=item.call_id,
        started_at=item.started_at,
        content_hash=item.content_hash,
        evaluator=judge.evaluator,
        evaluator_version=judge.version,
        judge_model=judge.judge.model,
    )


def _with_outcome(judgement: Judgement, outcome: PairVerdict | Unscored) -> Judgement:
    if isinstance(outcome, PairVerdict):
        return replace(
            judgement, value=VALUES[outcome.choice], label=outcome.choice, explanation=outcome.reason
        )
    wrong = {"detail": outcome.detail} if outcome.detail else {}
    return replace(judgement, unscored_reason=outcome.reason, details={**judgement.details, **wrong})
