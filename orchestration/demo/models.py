"""The simulated models: what each costs, how fast it is, and how it tends to fail.

The names are invented on purpose: a made-up failure rate under a real model's name would be a lie.
"""

import json
import math
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from orchestration.demo.tasks import Prompt

FinishReason = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, slots=True)
class Model:
    """`habits` maps a failure to its share of calls; `share` is the model's part of the traffic.

    `first_token_ms` is the median time to the first token, `tokens_per_second` the speed after it.
    """

    name: str
    share: float
    first_token_ms: float
    tokens_per_second: float
    habits: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider says: an error status with a code, or a text with its usage and its timing (ms)."""

    http_status: int
    text: str
    finish_reason: FinishReason | None
    error_type: str | None
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    ttft_ms: float
    latency_ms: float
    failure: str | None


MODELS: tuple[Model, ...] = (
    Model("aurora-large", 0.28, 420, 65, {"refusal": 0.008, "leak": 0.002, "http_500": 0.004}),
    Model(
        "aurora-mini",
        0.34,
        210,
        140,
        {"refusal": 0.012, "broken_json": 0.03, "truncated": 0.01, "http_429": 0.012},
    ),
    Model(
        "borealis-70b",
        0.24,
        650,
        48,
        {"loop": 0.02, "wrong_language": 0.03, "schema": 0.03, "slow": 0.02, "http_500": 0.01},
    ),
    Model(
        "cumulus-7b",
        0.12,
        120,
        190,
        {"loop": 0.05, "empty": 0.02, "broken_json": 0.10, "echo": 0.03, "leak": 0.01, "http_429": 0.02},
    ),
    Model("dew-preview", 0.02, 300, 90, {"refusal": 0.05}),
)
REGRESSED_MODEL = "aurora-mini"
REGRESSION: Mapping[str, float] = {"refusal": 0.16, "broken_json": 0.45, "truncated": 0.10, "http_429": 0.02}
# Made at run time: a string of a key's shape must not stand in a repository.
SECRET = "sk-proj-" + "".join(Random("demo secret").choices(string.ascii_letters + string.digits, k=48))
OPERATOR = "min.kim@mail.hanbit-demo.kr"
REFUSALS = {
    "en": "I'm sorry, but I can't help with that.",
    "ko": "죄송하지만 그 요청은 도와드릴 수 없습니다.",
}
LOOPS = {"en": "The parcel will be shipped soon. ", "ko": "배송이 곧 시작됩니다. "}
REPLIES = {
    "en": "Thank you for your message. We are looking into your order and will come back within a day.",
    "ko": "문의해 주셔서 감사합니다. 주문을 확인하고 있으며 하루 안에 다시 연락드리겠습니다.",
}
ERRORS = {"http_429": (429, "rate_limit_exceeded"), "http_500": (500, "server_error")}


def reply(model: Model, prompt: Prompt, *, rng: Random, regressed: bool = False) -> Reply:
    """What `model` says to `prompt`; the same `rng` state gives the same reply."""
    habits = REGRESSION if regressed and model.name == REGRESSED_MODEL else model.habits
    failure = _draw(habits, rng=rng)
    prompt_tokens = 40 + _tokens(prompt.user)
    cached = 32 if rng.random() < 0.5 else 0
    if failure in ERRORS:
        status, code = ERRORS[failure]
        waited = _spread(80, rng=rng)
        return Reply(status, "", None, code, prompt_tokens, 0, 0, waited, waited, failure)
    text, finish_reason = _spoil(failure, prompt, rng=rng)
    tokens = _tokens(text)
    ttft = _spread(model.first_token_ms, rng=rng) * (40 if failure == "slow" else 1)
    latency = ttft + 1000 * tokens / model.tokens_per_second * (12 if failure == "slow" else 1)
    return Reply(200, text, finish_reason, None, prompt_tokens, cached, tokens, ttft, latency, failure)


def _draw(habits: Mapping[str, float], *, rng: Random) -> str | None:
    at = rng.random()
    for failure, share in habits.items():
        if at < share:
            return failure
        at -= share
    return None


def _spoil(failure: str | None, prompt: Prompt, *, rng: Random) -> tuple[str, FinishReason]:
    good = prompt.answer
    if failure == "truncated":
        return good[: max(8, len(good) * 2 // 3)].rstrip(" .!}"), "length"
    if failure == "loop":
        return LOOPS[prompt.language] * rng.randint(25, 60), "length"
    spoiled: dict[str, str] = {
        "refusal": REFUSALS[prompt.language],
        "wrong_language": REPLIES["en" if prompt.language == "ko" else "ko"],
        "leak": f"{good} (debug: key={SECRET}, operator {OPERATOR})",
        "echo": prompt.user,
        "empty": "",
    }
    if prompt.task == "extract":
        customer = json.loads(good)["customer"]
        spoiled["broken_json"] = good[:-1] + ", }"
        spoiled["schema"] = json.dumps({"customer": customer, "order": "?"}, ensure_ascii=False)
    return spoiled.get(failure or "", good), "stop"


def _tokens(text: str) -> int:
    """About four bytes a token: near enough for a simulated bill."""
    return max(0, math.ceil(len(text.encode()) / 4))


def _spread(median: float, *, rng: Random) -> float:
    return median * math.exp(rng.gauss(0, 0.35))
