"""Asking a judge about one call."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from evaluators.judging.client import JudgeClient
from evaluators.judging.exchanges import Attempt, Exchange, Reply, read_exchange
from evaluators.judging.fitting import Shown, fit, left_out
from evaluators.judging.items import JudgeItem, gap
from evaluators.judging.judge import JudgeSpec
from evaluators.judging.models import is_same_model
from evaluators.judging.prompts import build_messages as build_prompt
from evaluators.judging.protocol import PARSE_ERROR, SAME_MODEL, SCHEMA, TOO_LONG, Unscored, Verdict, parse

SCHEMA_NAME: Final = "verdict"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of asking one judge about one call; exactly one of `value` and `unscored_reason` is None.

    `value` is 1–5, `label` the anchor's, `explanation` the reason given before the grade. `usage` is the
    provider's own object (empty where nothing was asked or none was told), `judge_model` the served model,
    else the asked one. `raw_request` and `raw_response` are the exchange byte for byte, empty where nothing
    was asked; `attempts` is every HTTP request of it. `asked_at` is when the first of them began and
    `latency_ms` the time to the last byte of the last, waits between them included. `details` tells what was
    left out, how the form was asked for, and what was wrong. `is_reused` marks a verdict that another call
    with the same content has paid for.
    """

    call_id: str
    started_at: datetime
    content_hash: bytes
    evaluator: str
    evaluator_version: str
    judge_model: str
    value: int | None = None
    label: str | None = None
    explanation: str | None = None
    unscored_reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    raw_request: bytes = b""
    raw_response: bytes = b""
    asked_at: datetime | None = None
    latency_ms: float | None = None
    attempts: tuple[Attempt, ...] = ()
    is_reused: bool = False


async def ask(client: JudgeClient, spec: JudgeSpec, item: JudgeItem) -> Judgement:
    """The judge's grade of the call, or why there is none; nothing is asked where none could come of it.

    Raises EndpointError where the endpoint cannot serve any call.
    """
    shown = prepare(spec, item)
    if isinstance(shown, Unscored):
        return without_asking(spec, item, shown)
    return await ask_about(client, spec, item, shown=shown)


async def ask_about(
    client: JudgeClient, spec: JudgeSpec, item: JudgeItem, *, shown: tuple[Shown, ...]
) -> Judgement:
    """The same for a call that `prepare` has found worth a question, with the conversation it returned."""
    messages = build_prompt(spec.rubric, item, conversation=shown, salt=spec.version)
    body = {"model": spec.model, "messages": messages, **parameters_of(spec)}
    exchange = await client.chat(body, name=SCHEMA_NAME, schema=SCHEMA, output=spec.output)
    return _read(spec, item, exchange, shown=shown)


def prepare(spec: JudgeSpec, item: JudgeItem) -> tuple[Shown, ...] | Unscored:
    """The conversation as it will be shown, or why the call is not worth a question: nothing to judge, its
    own judge, or too long."""
    if reason := gap(item, needs=spec.rubric.needs):
        return Unscored(reason)
    if not spec.allows_same_model and is_same_model(spec.model, item.models):
        return Unscored(SAME_MODEL, f"{spec.model} would grade itself")
    shown = _fitted(spec, item)
    if shown is None:
        return Unscored(TOO_LONG, f"more than {spec.max_input_bytes} bytes would have to be shown whole")
    return shown


def unscorable(spec: JudgeSpec, item: JudgeItem) -> Unscored | None:
    """Why the call is not worth a question; None: ask."""
    shown = prepare(spec, item)
    return shown if isinstance(shown, Unscored) else None


def build_messages(spec: JudgeSpec, item: JudgeItem) -> list[dict[str, str]]:
    """The chat messages of the question. Raises ValueError for an item that is too long to ask about."""
    shown = _fitted(spec, item)
    if shown is None:
        raise ValueError("the call is too long to be asked about")
    return build_prompt(spec.rubric, item, conversation=shown, salt=spec.version)


def request_body(spec: JudgeSpec, item: JudgeItem) -> dict[str, Any]:
    """The chat request but for its `response_format` (`evaluators.judging.forms` has that)."""
    return {"model": spec.model, "messages": build_messages(spec, item), **parameters_of(spec)}


def parameters_of(spec: JudgeSpec) -> dict[str, Any]:
    """The members of a request that say how the judge's model is to answer."""
    parameters = {
        "temperature": spec.temperature,
        "seed": spec.seed,
        spec.max_tokens_field: spec.max_tokens,
        "reasoning_effort": spec.reasoning_effort,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def read_judgement(spec: JudgeSpec, item: JudgeItem, exchange: Exchange) -> Judgement:
    """What an exchange about the item says; never raises, whatever the endpoint answered."""
    return _read(spec, item, exchange, shown=_fitted(spec, item) or ())


def without_asking(spec: JudgeSpec, item: JudgeItem, why: Unscored) -> Judgement:
    """The judgement of a call that nobody was asked about."""
    return Judgement(**_identity(spec, item), **_told(spec, why, {}), judge_model=spec.model)


def reused(spec: JudgeSpec, item: JudgeItem, judgement: Judgement) -> Judgement:
    """The judgement of another call with the same content, as this call's: nothing was paid for it."""
    if judgement.content_hash != item.content_hash:
        raise ValueError("a verdict can only be reused for the same content")
    own = replace(
        judgement,
        call_id=item.call_id,
        started_at=item.started_at,
        usage={},
        raw_request=b"",
        raw_response=b"",
        asked_at=None,
        latency_ms=None,
        attempts=(),
        is_reused=True,
    )
    return barred(spec, item, own)


def barred(spec: JudgeSpec, item: JudgeItem, judgement: Judgement) -> Judgement:
    """The judgement, or `same_model` where the model that served it turns out to be the judged one."""
    is_own = judgement.value is not None and is_same_model(judgement.judge_model, item.models)
    if spec.allows_same_model or not is_own:
        return judgement
    why = Unscored(SAME_MODEL, f"{judgement.judge_model} has graded itself")
    told = _told(spec, why, judgement.details)
    return replace(judgement, value=None, label=None, explanation=None, **told)


def _read(spec: JudgeSpec, item: JudgeItem, exchange: Exchange, *, shown: tuple[Shown, ...]) -> Judgement:
    reply = read_exchange(exchange)
    outcome = _outcome(spec, item, reply)
    first, last = exchange.attempts[0], exchange.attempts[-1]
    waited = (last.started_at - first.started_at).total_seconds() * 1_000
    judgement = Judgement(
        **_identity(spec, item),
        **_told(spec, outcome, {"output": exchange.output, **left_out(shown)}),
        judge_model=reply.model or spec.model,
        usage=reply.usage,
        raw_request=exchange.raw_request,
        raw_response=exchange.raw_response,
        asked_at=first.started_at,
        latency_ms=waited + last.latency_ms,
        attempts=exchange.attempts,
    )
    return barred(spec, item, judgement)


def _outcome(spec: JudgeSpec, item: JudgeItem, reply: Reply) -> Verdict | Unscored:
    if reply.trouble:
        return reply.trouble
    verdict = parse(reply.text, spec.rubric)
    if isinstance(verdict, Verdict) and _is_echo(verdict, item):
        return Unscored(PARSE_ERROR, "the verdict stands word for word in the judged text")
    return verdict


def _is_echo(verdict: Verdict, item: JudgeItem) -> bool:
    """Whether the judge only repeats a verdict that somebody wrote into the material for it."""
    texts = (item.answer, item.context or "", *(turn.text for turn in item.conversation))
    return any("score" in text and verdict.reason in text for text in texts)


def _told(spec: JudgeSpec, outcome: Verdict | Unscored, details: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a judgement that say how it came out."""
    if isinstance(outcome, Verdict):
        label = spec.rubric.label(outcome.grade)
        return {
            "value": outcome.grade,
            "label": label,
            "explanation": outcome.reason,
            "details": details,
        }
    wrong = {"detail": outcome.detail} if outcome.detail else {}
    return {"unscored_reason": outcome.reason, "details": {**details, **wrong}}


def _identity(spec: JudgeSpec, item: JudgeItem) -> dict[str, Any]:
    return {
        "call_id": item.call_id,
        "started_at": item.started_at,
        "content_hash": item.content_hash,
        "evaluator": spec.evaluator,
        "evaluator_version": spec.version,
    }


def _fitted(spec: JudgeSpec, item: JudgeItem) -> tuple[Shown, ...] | None:
    return fit(item, needs=spec.rubric.needs, max_bytes=spec.max_input_bytes)
