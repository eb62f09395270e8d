"""A prompt's form: what varies is a mark, what was asked stays."""

import time
from hashlib import sha256

import pytest

from evaluators.patterns.cutting import READ_CHARACTERS, cut
from evaluators.patterns.form import MINER, MOST_WORDS, form


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cancel my card 4111 1111 1111 1111, please", "cancel my card <*> please"),
        ("Send it to Jane.Doe+x@example.co.kr today", "send it to <email> today"),
        ("Summarise https://example.com/a?b=1#c in two lines", "summarise <url> in two lines"),
        ("What does “to be or not to be” mean?", "what does <quote> mean"),
        ("Translate 'good morning' into French.", "translate <quote> into <*>"),
        ("Call `json.loads` on this", "call <code> on this"),
        ("Fix this:\n```python\nx = 1\n```", "fix this <code>"),
        ("Who is Sara Connor?", "who is <*>"),
        ("Write to the University of South Carolina about it", "write to the <*> about it"),
        ("Ask Dr. Anette Lahtela, Rue de la Paix 12\nParis\n75002", "ask <*>"),
        ("You said 3rd of May 2024 at 12:30, or 5/6/24?", "you said <*> at <*> or <*>"),
        ("Ask Dr. Anette Lahtela about J. Smith please", "ask <*> about <*> please"),
        (f"Decode {'abcd' * 20} for me", "decode <*> for me"),
        ("I'd like what I asked for", "i'd like what i asked for"),
    ],
)
def test_what_varies_becomes_a_mark(text: str, expected: str) -> None:
    assert form(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("My IBAN is GB10LORI20288482594042", "My IBAN is GB26YVOK09234647792923"),
        ("What's your name? Daniel Janíček", "What's your name? Elizabeth van der Hanson"),
        ("Ship it to 05575 Feldstrasse 42\nPADASJOKI\n, PA\n 31842 now", "Ship it to PSC 7951, Box 9972 now"),
        ("김철수님께 답장을 써 주세요", "이영희님께 답장을 써 주세요"),
        ("田中さんへの返事を書いてください。", "佐藤さんへの返事を書いてください。"),
        ("「吾輩は猫である」を要約して", "「坊っちゃん」を要約して"),
        ("３月４日の予定は?", "12月25日の予定は?"),
        (
            "Answer from this.\n<context>\ncats sleep a lot\n</context>\nQ: how much?",
            "Answer from this.\n<context>\nall of another page, with <b>tags</b>\n</context>\nQ: how much?",
        ),
    ],
)
def test_prompts_of_one_template_have_one_form(one: str, other: str) -> None:
    assert form(one) == form(other)


def test_pasted_text_after_an_instruction_does_not_count() -> None:
    article = " ".join(f"word{'abcdefghij'[number % 10]} goes on" for number in range(60))
    other = " ".join(["another article that has nothing in common"] * 20)
    assert form(f"Summarise this in one line: {article}") == "summarise this in one line <text>"
    assert form(f"Summarise this in one line: {other}") == "summarise this in one line <text>"


def test_an_imperative_at_the_beginning_is_no_name() -> None:
    assert form("Translate this.") != form("Summarise this.")
    assert form("Question: why?\nAnswer:") == "question why answer"


@pytest.mark.parametrize("text", ["WHAT DO I PRESS NEXT", "How To Write A Poem About The Sea"])
def test_where_all_is_capitalised_capitals_say_nothing(text: str) -> None:
    assert form(text) == text.lower()


@pytest.mark.parametrize("text", ["", " \n", "👍🏽", "…", "12345", "<*>"])
def test_a_text_without_words_still_has_a_form(text: str) -> None:
    assert form(text) == "<*>"


def test_scripts_without_capitals_keep_their_words() -> None:
    assert form("東京の天気を教えてください。") == "東京の天気を教えてください"
    assert form("서울의 날씨를 알려 주세요") == "서울의 날씨를 알려 주세요"


def test_a_form_is_short_whatever_the_text() -> None:
    lines = "\n".join(f"line {'abcdefghij'[n % 10]} of many that are all alike" for n in range(1_000))
    assert len(form(lines).split()) <= MOST_WORDS + 1
    assert len(form("\n".join(["東京の天気を教えて"] * 1_000))) < 1_000


def test_of_a_huge_text_only_the_beginning_is_read() -> None:
    assert cut("a " * 100_000) == "a " * (READ_CHARACTERS // 2)


HOSTILE = [
    "'a",
    '"',
    "「",
    "«",
    "<a>",
    "<a></b>",
    "```",
    '"""',
    "a@",
    "a@b.",
    "1.",
    "A1",
    "A ",
    ". ",
    "氏",
    "님",
]


@pytest.mark.parametrize("piece", [*HOSTILE, "a" * 50])
def test_hostile_text_costs_no_more_than_other_text(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.process_time()
    form(text)
    assert time.process_time() - started < 2


# What the forms below were when the miner got its version. A change of any is a change of every id made from
# it: raise MINER then, and both values here.
SAMPLES = (
    "Send 3 e-mails to Sara Connor at sara@example.com, see https://example.com.",
    "WHAT IS THIS?",
    "Hello! What's your name? Daniel Janíček",
    "次の文章を要約してください:「吾輩は猫である」",
    "김철수님, 서울의 날씨를 알려 주세요.",
    "Fix:\n```\ncode\n```\n<doc>text</doc> 'q' `c` " + "word " * 80,
)


def test_a_changed_form_has_a_new_version() -> None:
    digest = sha256("\n".join(map(form, SAMPLES)).encode()).hexdigest()[:12]
    assert (MINER, digest) == ("1.0.0", "3d4b29e93857")
