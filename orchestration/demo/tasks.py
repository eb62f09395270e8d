"""What the demo's callers ask, and a right answer to each, in English and Korean."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

Language = Literal["en", "ko"]
NAMES = {
    "en": ("Maya Lind", "Omar Reyes", "Tess Abara", "Jon Falk"),
    "ko": ("김서연", "이도윤", "박하은", "최지호"),
}
ITEMS = {
    "en": ("desk lamp", "rain jacket", "coffee grinder", "travel bag"),
    "ko": ("책상 조명", "방수 재킷", "원두 분쇄기", "여행 가방"),
}
ORDER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "customer": {"type": "string"},
        "item": {"type": "string"},
        "order_id": {"type": "integer"},
        "refund": {"type": "boolean"},
    },
    "required": ["customer", "item", "order_id", "refund"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question of a task; `answer` is a good reply to it."""

    task: str
    language: Language
    user: str
    answer: str


@dataclass(frozen=True, slots=True)
class Task:
    """A product feature that calls a model: its system prompt names it, as a real product's would."""

    name: str
    system: str
    ask: Callable[[Random, Language], Prompt]
    response_format: Mapping[str, Any] | None = None


def request_body(task: Task, prompt: Prompt, *, model: str, stream: bool = False) -> dict[str, Any]:
    """The Chat Completions request that the product would send."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": task.system},
            {"role": "user", "content": prompt.user},
        ],
    }
    if task.response_format is not None:
        body["response_format"] = task.response_format
    if stream:
        body["stream"] = True
    return body


def task_of(system: str) -> Task:
    """The task whose system prompt this is; the support task for any other."""
    return next((task for task in TASKS if task.system == system), TASKS[0])


def _support(rng: Random, language: Language) -> Prompt:
    name, item, day = rng.choice(NAMES[language]), rng.choice(ITEMS[language]), rng.randint(2, 9)
    if language == "ko":
        user = (
            f"{name} 고객님이 문의했습니다: 주문한 {item}이 {day}일째 도착하지 않았습니다. "
            "정중하게 답장을 써 주세요."
        )
        answer = (
            f"{name} 고객님, 안녕하세요. 주문하신 {item} 배송이 늦어져 진심으로 사과드립니다. "
            f"물류 센터에 확인한 결과 오늘 출고되었으며, 이틀 안에 받으실 수 있습니다. "
            "불편을 드린 점을 고려하여 배송비를 환불해 드렸습니다. "
            "더 궁금한 점이 있으시면 언제든지 말씀해 주세요. 🙏"
        )
    else:
        user = f"{name} writes: my {item} has not arrived for {day} days. Draft a polite reply."
        answer = (
            f"Dear {name}, thank you for your message, and please accept our apologies for the wait. "
            f"The warehouse shipped your {item} this morning, and it should reach you within two days. "
            "We have refunded the delivery fee. If anything else is unclear, just reply to this message."
        )
    return Prompt("support", language, user, answer)


def _extract(rng: Random, language: Language) -> Prompt:
    name, item = rng.choice(NAMES[language]), rng.choice(ITEMS[language])
    order, refund = rng.randint(10_000, 99_999), rng.random() < 0.4
    if language == "ko":
        wish = "환불을 원합니다" if refund else "교환을 원합니다"
        said = f"{name}입니다. 주문번호 {order}, {item}. {wish}."
        user = f"다음 메시지에서 주문 정보를 JSON으로 추출하세요: {said}"
    else:
        wish = "I want my money back" if refund else "please send another one"
        user = f"Extract the order as JSON: this is {name}, order {order}, the {item} is broken, {wish}."
    answer = {"customer": name, "item": item, "order_id": order, "refund": refund}
    return Prompt("extract", language, user, json.dumps(answer, ensure_ascii=False))


def _summarise(rng: Random, language: Language) -> Prompt:
    item, up, down = rng.choice(ITEMS[language]), rng.randint(11, 48), rng.randint(2, 9)
    if language == "ko":
        user = (
            f"다음 보고를 두 문장으로 요약하세요: 이번 분기 {item} 판매는 {up}% 늘었고 "
            f"반품은 {down}% 줄었다. 포장을 바꾼 뒤 파손 신고가 거의 사라졌고, 재구매 고객이 늘었다."
        )
        answer = (
            f"이번 분기 {item} 판매는 {up}% 증가했고 반품은 {down}% 감소했습니다. "
            "포장 개선으로 파손 신고가 거의 사라지고 재구매가 늘었습니다."
        )
    else:
        user = (
            f"Summarise in two sentences: sales of the {item} rose {up} % this quarter "
            f"while returns fell {down} %. "
            "Since the new packaging, damage reports have nearly vanished, and more customers buy again."
        )
        answer = (
            f"Sales of the {item} grew by {up} % over the quarter and returns dropped by {down} %. "
            "Better packaging all but ended damage reports, which brought customers back."
        )
    return Prompt("summarise", language, user, answer)


TASKS: tuple[Task, ...] = (
    Task("support", "You answer customers of a small shop, politely and briefly.", _support),
    Task(
        "extract",
        "You extract orders from messages. Answer with JSON only.",
        _extract,
        {
            "type": "json_schema",
            "json_schema": {"name": "order", "strict": True, "schema": ORDER_SCHEMA},
        },
    ),
    Task("summarise", "You summarise reports for managers, in at most two sentences.", _summarise),
)
