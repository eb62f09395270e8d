"""Usage objects read by column give, number for number, what the reader of one object gives."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators import usage_alike
from evaluators.usage import Unbucketed, count_tokens
from evaluators.usage_alike import read_alike
from evaluators.usage_columns import Column, NotAlikeError, Unread, Way
from evaluators.usage_fields import MAX_TOKENS
from evaluators.usage_forms import NoFormError, form_of
from tests.evaluators.usage_data import usages

GOLDEN = [
    json.loads(line)
    for line in Path(__file__).with_name("golden_usage.jsonl").read_text(encoding="utf-8").splitlines()
]
CHAT: dict[str, Any] = {
    "prompt_tokens": 2_006,
    "completion_tokens": 300,
    "total_tokens": 2_306,
    "prompt_tokens_details": {"cached_tokens": 1_920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 256, "audio_tokens": 0},
}
COUNTS = (86, 1920, 0, 0, 0, 0, 44, 256, 0, 0)
BESIDE = (86, 1920, 0, 0, 0, 0, 300, 256, 0, 0)


@pytest.fixture(autouse=True)
def however_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_alike, "MIN_CALLS", 1)


def outcome(counts: object) -> object:
    return counts.reason if isinstance(counts, Unbucketed) else counts


def by_column(texts: list[str], *, provider: str = "", endpoint: str = "") -> dict[int, object]:
    """What is read of the calls that are read together, by their places."""
    read: dict[int, object] = {}
    for alike in read_alike(texts, lambda usage: count_tokens(usage, provider=provider, endpoint=endpoint)):
        assert read.keys().isdisjoint(alike.places.tolist())
        if isinstance(alike.found, Unbucketed):
            read |= dict.fromkeys(alike.places.tolist(), alike.found.reason)
        else:
            rows = zip(*(alike.numbers(count).tolist() for count in alike.found), strict=True)
            read |= dict(zip(alike.places.tolist(), rows, strict=True))
    return read


def one_by_one(texts: list[str], *, provider: str = "", endpoint: str = "") -> Iterator[object]:
    for text in texts:
        yield outcome(count_tokens(msgspec.json.decode(text), provider=provider, endpoint=endpoint))


def varied(value: Any, rng: random.Random) -> Any:
    """The same object with other whole numbers: now and then a sum no longer holds."""
    if type(value) is int:
        return rng.choice([value] * 6 + [0, value + 1, 2 * value, 7])
    if isinstance(value, dict):
        return {name: varied(part, rng) for name, part in value.items()}
    return [varied(part, rng) for part in value] if isinstance(value, list) else value


@settings(deadline=None, max_examples=100)
@given(item=st.sampled_from(GOLDEN), rng=st.randoms(use_true_random=False), n=st.integers(1, 12))
def test_every_golden_form_is_read_to_the_same_numbers(
    item: dict[str, Any], rng: random.Random, n: int
) -> None:
    texts = [json.dumps(varied(item["usage"], rng)) for _ in range(n)]
    given_with = {"provider": item["provider"], "endpoint": item["endpoint"]}
    single = list(one_by_one(texts, **given_with))
    for place, read in by_column(texts, **given_with).items():
        assert read == single[place], texts[place]


def test_recorded_objects_are_read_together_and_to_the_same_numbers(shared_data: Path) -> None:
    rng = random.Random(1)
    n_together = n_bucketed = 0
    for usage, _ in usages(shared_data):
        texts = [json.dumps(usage), *(json.dumps(varied(usage, rng)) for _ in range(3))]
        single, together = list(one_by_one(texts)), by_column(texts)
        assert {place: single[place] for place in together} == together
        n_bucketed += sum(not isinstance(found, str) for found in single)
        n_together += sum(not isinstance(found, str) for found in together.values())
    assert n_together >= 0.97 * n_bucketed  # the others hold a boolean


def test_calls_that_take_another_way_are_read_with_their_own_kind() -> None:
    beside = CHAT | {"total_tokens": 2_562}  # xAI: reasoning is not inside completion_tokens
    texts = [json.dumps(usage) for usage in (CHAT, beside, CHAT, beside, CHAT)]
    assert by_column(texts) == {
        0: COUNTS,
        1: BESIDE,
        2: COUNTS,
        3: BESIDE,
        4: COUNTS,
    }


@pytest.mark.parametrize("count", [True, 5.0, -1, MAX_TOKENS + 1, 10**30, "5", None, [], {}])
def test_what_is_no_count_is_never_read_as_one(count: object) -> None:
    odd = CHAT | {"completion_tokens": count}
    texts = [json.dumps(usage) for usage in (CHAT, odd, CHAT, CHAT)]
    single = list(one_by_one(texts))
    read = by_column(texts)
    assert {place: single[place] for place in read} == read
    assert {0, 2, 3} <= read.keys()


def test_a_whole_number_where_the_form_has_seconds_is_no_count() -> None:
    groq = CHAT | {"queue_time": 0.25}
    texts = [json.dumps(groq), json.dumps(groq | {"queue_time": 1}), json.dumps(groq)]
    assert len(by_column(texts)) == 3
    floats = [json.dumps(CHAT | {"completion_tokens": tokens}) for tokens in (300.0, 300, 300.0)]
    assert by_column(floats).get(1, COUNTS) == COUNTS


def test_fields_that_come_twice_end_as_their_last_value() -> None:
    text = json.dumps(CHAT)
    twice = text.replace('"completion_tokens": 300,', '"completion_tokens": 1, "completion_tokens": 300,')
    assert by_column([text, twice, text]) == dict.fromkeys(range(3), COUNTS)


@pytest.mark.parametrize(
    "usage",
    [
        [],
        7,
        "text",
        {f"field {n}": n for n in range(5_000)},
        {"prompt_tokens": [[[[[[[1]]]]]]]},
        {"is_byok": True},
        {'quo"te': 1},
        {"line\nbreak": 1},
    ],
)
def test_odd_objects_have_no_form(usage: object) -> None:
    with pytest.raises(NoFormError):
        form_of(usage)


def test_names_of_any_script_and_length_make_a_form() -> None:
    usage = CHAT | {"토큰 🙂": 1, "": 2, "class": 3, "a b'": 4, "x" * 1_000: 5, "empty": {}, "none": []}
    texts = [json.dumps(usage, ensure_ascii=False)] * 3
    assert by_column(texts) == dict.fromkeys(range(3), COUNTS)


def test_hostile_text_stops_no_other_call() -> None:
    texts = [json.dumps(CHAT)] * 9
    texts[2:7] = ["", "nul", "[" * 50_000, '{"prompt_tokens": "\\ud800"}', '{"\\ud800": 1}']
    assert by_column(texts).keys() == {0, 1, 7, 8}


def test_sums_and_differences_are_those_of_each_call() -> None:
    way = Way(3)
    a, b = Column(np.array([5, 6, 7], np.int64), way), Column(np.array([1, 6, 9], np.int64), way)
    assert [c.values.tolist() for c in (a + b, a - b, 10 - a, a - 1, sum([a, b]))] == [
        [6, 12, 16], [4, 0, -2], [5, 4, 3], [4, 5, 6], [6, 12, 16]
    ]  # fmt: skip
    assert (a == b, a != b, a < b, a <= b, a > b, a >= b, bool(a)) == (
        True,
        False,
        False,
        True,
        False,
        True,
        True,
    )
    assert way.same.tolist() == [False, True, False]


def test_a_column_answers_nothing_but_sums_and_comparisons() -> None:
    column = Column(np.array([1, 2, 3], np.int64), Way(3))
    questions: list[Callable[[Any], object]] = [int, float, str, hash, list, range, lambda c: f"{c}"]
    questions += [lambda c: c * 2, lambda c: c // 2, lambda c: c + 0.5, lambda c: c == "2", lambda c: {c}]
    for ask in questions:
        with pytest.raises((NotAlikeError, TypeError)):
            ask(column)
    for ask in (bool, str, lambda n: n == 1, lambda n: n < 1, lambda n: f"{n}", lambda n: n + 1):
        with pytest.raises((NotAlikeError, TypeError)):
            ask(Unread())
