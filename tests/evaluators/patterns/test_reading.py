"""What kind of prompt it is: coarse, cheap, and a pure function of the text."""

import pytest

from evaluators.patterns.reading import UNCLEAR, Reading, read


@pytest.mark.parametrize(
    ("prompt", "prompt_class", "language"),
    [
        ("Write a C++ program to find the nth Fibonacci number using recursion.", "code", "en"),
        ("What is wrong here?\n```\nfor x in y\n```", "code", UNCLEAR),
        ("Solve the equation x^2 + 3x - 10 = 0 and show every step of the way.", "math", "en"),
        ("Translate the following poem into French, and keep the rhymes.", "translation", "en"),
        ("Summarize this code in two sentences:\n```\nprint(1)\n```", "summary", "en"),
        ("Extract all names of people from the text and return them as JSON.", "structured", "en"),
        ("Compose an email to my landlord about the broken heating in my flat.", "writing", "en"),
        ("What are the main differences between a virus and a bacterium?", "question", "en"),
        ("Thank you so much, that was very kind of you and a great help.", "other", "en"),
        ("비밀번호를 어떻게 바꾸나요", "question", "ko"),
        ("다음 글을 세 문장으로 요약해 주세요", "summary", "ko"),
        ("この文章を英語に翻訳してください", "translation", "ja"),
        ("¿Cuáles son las mejores playas del norte de España en verano?", "question", "es"),
        ("Schreibe mir bitte einen kurzen Brief an die Hausverwaltung wegen der Heizung.", "writing", "de"),
        ("ok", "other", UNCLEAR),
        ("👍🏽", "other", UNCLEAR),
        ("3 + 4", "math", UNCLEAR),
    ],
)
def test_prompts_are_told_apart(prompt: str, prompt_class: str, language: str) -> None:
    assert read([prompt]) == [Reading(prompt_class, language)]


def test_a_prompt_is_read_the_same_in_any_company() -> None:
    prompts = ["What is love?", "Write a poem about the sea and the wind.", "", "x" * 50_000, "What is love?"]
    assert read(prompts) == [read([prompt])[0] for prompt in prompts]
    assert read([]) == []


def test_hostile_prompts_are_prompts() -> None:
    """The patterns are linear in the text, and only its beginning is read."""
    hostile = [
        "select " * 10_000,
        "write " + "a" * 100_000,
        "\\.\n\t'; drop table x; --",
        "ㅋ" * 30_000,
        "?" * 9,
    ]
    assert len(read(hostile)) == 5
    assert read(["a" * 5_000 + "?"])[0].prompt_class == "question"
