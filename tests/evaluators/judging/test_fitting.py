"""What fits: whole or not at all for what is judged, head and tail for what sets the scene."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.judging.asking import build_messages, unscorable
from evaluators.judging.fitting import fit, left_out
from evaluators.judging.items import JudgeItem, Message
from evaluators.judging.protocol import TOO_LONG
from evaluators.judging.rubrics import Need
from tests.evaluators.judging.samples import item, spec

ANSWER: frozenset[Need] = frozenset(("prompt", "answer"))
HUGE = "word and word again. " * 38_000  # some 200,000 tokens


def test_what_fits_is_shown_as_it_is() -> None:
    asked = item("b" * 1_000, prompt="a" * 1_000)
    shown = fit(asked, needs=ANSWER, max_bytes=2_200)
    assert shown is not None
    assert [turn.head for turn in shown] == ["a" * 1_000]
    assert left_out(shown) == {}


def test_a_huge_prompt_keeps_head_and_tail_with_a_mark_and_a_count() -> None:
    prompt = "Summarise this.\n" + HUGE + "\nIn one sentence, please."
    judge, asked = spec(), item("It repeats itself.", prompt=prompt)
    assert unscorable(judge, asked) is None
    system, user = build_messages(judge, asked)
    text = user["content"]
    assert len(text.encode()) < judge.max_input_bytes + 2_000
    assert "Summarise this." in text
    assert "In one sentence, please." in text
    shown = fit(asked, needs=ANSWER, max_bytes=judge.max_input_bytes)
    assert shown is not None
    counted = left_out(shown)["left_out_characters"]
    fence = system["content"][-24:]
    assert f"=== {fence} {counted} characters left out here, the same turn goes on ===" in text
    assert sum(len(turn.head) + len(turn.tail) for turn in shown) + counted == len(prompt)


def test_the_tail_of_a_cut_conversation_is_longer_than_its_head() -> None:
    shown = fit(item(prompt=HUGE), needs=ANSWER, max_bytes=50_000)
    assert shown is not None
    assert len(shown[0].tail) == pytest.approx(3 * len(shown[0].head), rel=0.05)


def test_turns_in_the_middle_of_a_long_session_are_told_as_one_gap() -> None:
    turns = tuple(Message("user" if n % 2 == 0 else "assistant", f"{n} " + "x" * 500) for n in range(101))
    asked = item(conversation=turns)
    shown = fit(asked, needs=ANSWER, max_bytes=10_000)
    assert shown is not None
    assert shown[0].head.startswith("0 ")
    assert shown[-1].head.startswith("100 ")
    assert not shown[-1].left_out
    (gap,) = (turn for turn in shown if turn.turns > 1)
    assert left_out(shown)["left_out_turns"] == gap.turns > 70
    assert sum(turn.turns for turn in shown) == 101


def test_turns_after_a_gap_keep_their_numbers() -> None:
    turns = tuple(Message("user", f"turn {n} " + "x" * 500) for n in range(1, 102))
    _, user = build_messages(spec(max_input_bytes=10_000), item(conversation=turns))
    assert "conversation, turn 101, user ===\nturn 101 x" in user["content"]


@pytest.mark.parametrize(
    ("rubric", "fields"),
    [
        ("helpfulness", {"answer": HUGE}),
        ("groundedness", {"context": HUGE}),
        ("correctness", {"reference": HUGE}),
        (
            "session",
            {"conversation": (Message("user", HUGE), Message("assistant", "a"), Message("user", "b"))},
        ),
    ],
)
def test_what_a_verdict_rests_on_is_whole_or_the_call_is_too_long(
    rubric: str, fields: dict[str, Any]
) -> None:
    why = unscorable(spec(rubric), item(**fields))
    assert why is not None
    assert why.reason == TOO_LONG
    with pytest.raises(ValueError, match="too long"):
        build_messages(spec(rubric), item(**fields))
    assert unscorable(spec(rubric, max_input_bytes=4_000_000), item(**fields)) is None


def test_an_answer_that_leaves_no_room_for_a_long_question_is_too_long() -> None:
    answer = "x" * 80_000
    assert unscorable(spec(), item(answer, prompt="short")) is None
    assert unscorable(spec(), item(answer, prompt=HUGE)) is not None


def test_a_huge_context_that_the_rubric_does_not_show_is_no_hindrance() -> None:
    assert unscorable(spec("tone"), item(context=HUGE)) is None


TEXTS = st.text(max_size=300) | st.text(alphabet="가🎈é\u202ea", max_size=300)


@given(st.lists(TEXTS, max_size=8), TEXTS, st.integers(100, 4_000))
def test_nothing_is_lost_uncounted_and_the_bound_holds(texts: list[str], answer: str, bound: int) -> None:
    asked = item(answer, conversation=tuple(Message("user", text) for text in texts))
    shown = fit(asked, needs=ANSWER, max_bytes=bound)
    if shown is None:
        assert _bytes(answer) + 64 > 0.75 * bound
        return
    kept = sum(len(turn.head) + len(turn.tail) for turn in shown)
    assert kept + sum(turn.left_out for turn in shown) == sum(map(len, texts))
    assert sum(turn.turns for turn in shown) == len(texts)
    assert _bytes(answer) + sum(_bytes(turn.head + turn.tail) for turn in shown) <= bound
    for turn in shown:
        assert "\ufffd" not in turn.head + turn.tail or any("\ufffd" in text for text in texts)


@pytest.mark.parametrize("bound", range(1_000, 1_012))
def test_no_character_is_cut_through(bound: int) -> None:
    shown = fit(item("네", prompt="가🎈" * 1_000), needs=ANSWER, max_bytes=bound)
    assert shown is not None
    assert set(shown[0].head + shown[0].tail) == {"가", "🎈"}


def test_a_conversation_of_many_empty_turns_is_bounded_too() -> None:
    turns = [Message("user", "")] * 100_000
    asked = item(conversation=(*turns, Message("user", "hi")))
    _, user = build_messages(spec(), asked)
    assert len(user["content"]) < 150_000


def test_cutting_is_the_same_every_time() -> None:
    asked: JudgeItem = item(prompt=HUGE)
    assert build_messages(spec(), asked) == build_messages(spec(), asked)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
