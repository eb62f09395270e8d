"""Empty, truncated, refused, repeated and echoed answers."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(
    "text", ["", "   \n\t", "\u200b\u200d", "\u3164", "\u2800 \ufeff", "```\n```", "```json\n\n```", None]
)
def test_an_answer_without_a_visible_character_is_empty(judge: Callable[..., Any], text: str | None) -> None:
    assert judge("empty_answer", output_text=text).failed is True


@pytest.mark.parametrize("text", [".", "네", "👍", "👩‍👩‍👧", "{}", "0", "\u200bа"])
def test_an_answer_with_a_visible_character_is_not_empty(judge: Callable[..., Any], text: str) -> None:
    assert judge("empty_answer", output_text=text).failed is False


def test_a_tool_call_needs_no_text(judge: Callable[..., Any]) -> None:
    verdict = judge("empty_answer", output_text=None, finish_reason="tool_calls")
    assert (verdict.failed, verdict.reason) == (None, "not_applicable")


@pytest.mark.parametrize(
    "reason", ["length", "MAX_TOKENS", "max_tokens", "max_output_tokens", "model_length"]
)
def test_a_finish_reason_of_length_is_a_truncation(judge: Callable[..., Any], reason: str) -> None:
    assert judge("truncated", finish_reason=reason).failed is True


@pytest.mark.parametrize(
    "text",
    [
        "Here it is:\n```python\nprint(1)\n",
        '{"a": [1, 2, {"b": "not closed}"',
        '[{"name": "김철수", "age": 3',
        '```json\n{"a": "cut off in a str',
        "다음은 코드입니다.\n```\nprint('안녕 👋')",
    ],
)
def test_an_unclosed_structure_is_a_truncation(judge: Callable[..., Any], text: str) -> None:
    assert judge("truncated", output_text=text).failed is True


@pytest.mark.parametrize(
    "text",
    [
        "Use ```inline``` marks, or\n```\na block\n```\n",
        '{"a": "a brace } and a quote \\" within"}',
        "[Section 1] (no JSON here",
        "{ this is prose in a brace",
        "끝까지 답했습니다.",
    ],
)
def test_a_closed_answer_is_no_truncation(judge: Callable[..., Any], text: str) -> None:
    assert judge("truncated", output_text=text).failed is False


def test_a_stream_cut_on_the_way_is_not_a_truncation_by_the_model(judge: Callable[..., Any]) -> None:
    assert judge("truncated", status="interrupted", finish_reason=None).reason == "not_applicable"


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I can’t assist with that request.",
        "**Sorry**, I cannot provide medical advice.",
        "As an AI language model, I cannot provide legal advice.",
        "Unfortunately, I am unable to browse the internet.",
        "I must respectfully decline.",
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
        "죄송합니다. 해당 내용은 제공할 수 없습니다.",
        "저는 AI 언어 모델로서 의료 진단을 내릴 수 없습니다.",
        "요청하신 내용은 정책상 답변드릴 수 없습니다. 🙏",
        "申し訳ありませんが、そのご要望にはお応えできません。",
        "抱歉，我无法提供这方面的帮助。",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Je suis désolé, mais je ne peux pas répondre à cette question.",
    ],
)
def test_a_declined_request_is_a_refusal(judge: Callable[..., Any], text: str) -> None:
    assert judge("refusal", output_text=text).failed is True


@pytest.mark.parametrize(
    "text",
    [
        "He wrote: \"I'm sorry, I can't help with that,\" and left.",
        '"I cannot help you" is a common phrase of customer service.',
        "I'm sorry to hear about your loss. Here is what you can do.",
        "Sorry for the confusion! The sum is 12, not 13.",
        "You cannot divide by zero. I can help you to see why.",
        "As an AI language model, I do not have the ability to feel. However, if I were a tree, I would.",
        "“죄송하지만 도와드릴 수 없습니다”라는 문장은 정중한 거절입니다.",
        "죄송합니다만, 요청하신 표는 아래와 같습니다.",
        "이 문제는 어렵지 않습니다. 먼저 x를 구합니다.",
        "물론입니다! 기꺼이 도와드리겠습니다. 😊",
        "The model answered politely. " * 12 + "I'm sorry, I can't help with that.",
    ],
)
def test_talk_about_refusals_and_sympathy_are_none(judge: Callable[..., Any], text: str) -> None:
    assert judge("refusal", output_text=text).failed is False


def test_a_provider_filter_is_a_refusal_even_without_text(judge: Callable[..., Any]) -> None:
    assert judge("refusal", output_text=None, finish_reason="SAFETY").evidence == "finish reason safety"


@pytest.mark.parametrize(
    "text",
    [
        "I will do it again and again. " * 30,
        "같은 말을 계속 반복합니다. " * 30,
        "東京タワーは高いです。" * 20,
        "a" * 1_000_000,
        "👍" * 5_000,
        "ㅋ" * 300,
    ],
)
def test_a_text_that_repeats_itself_is_a_loop(judge: Callable[..., Any], text: str) -> None:
    assert judge("repetition_loop", output_text=text).failed is True


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"word{number} and" for number in range(200)),
        " ".join(str(number) for number in range(500)),
        "그는 오늘 아침에 일어나서 " + " ".join(f"{number}번 버스를" for number in range(100)),
        "".join(chr(0x4E00 + number) for number in range(600)),
    ],
)
def test_a_varied_text_is_no_loop(judge: Callable[..., Any], text: str) -> None:
    assert judge("repetition_loop", output_text=text).failed is False


def test_a_short_refrain_is_not_judged(judge: Callable[..., Any]) -> None:
    assert judge("repetition_loop", output_text="la la la la la la").reason == "not_applicable"


def test_an_answer_that_hands_the_prompt_back_is_an_echo(judge: Callable[..., Any]) -> None:
    prompt = (
        "Explain in short sentences why the sky is blue at noon and why it turns red in the evening hours."
    )
    assert judge("prompt_echo", input_text=prompt, output_text=prompt).failed is True
    korean = (
        "하늘이 낮에는 왜 파랗고 저녁에는 왜 붉게 변하는지 세 문장으로 쉽게 설명해 주시고 "
        "마지막에는 참고할 만한 책도 한 권 추천해 주세요."
    )
    assert judge("prompt_echo", input_text=korean, output_text=korean + " 😀").failed is True


def test_an_echo_that_was_asked_for_is_not_judged(judge: Callable[..., Any]) -> None:
    prompt = "Repeat this: " + " ".join(f"word{number}" for number in range(30))
    assert judge("prompt_echo", input_text=prompt, output_text=prompt).reason == "not_applicable"


def test_one_option_out_of_many_is_no_echo(judge: Callable[..., Any]) -> None:
    options = "\n".join(
        f"({letter}) {letter} long option number {letter} of the many that stand here to be chosen by you"
        for letter in "abcdefgh"
    )
    answer = options.splitlines()[2]
    assert judge("prompt_echo", input_text="Choose one.\n" + options, output_text=answer).failed is False
