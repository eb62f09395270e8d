"""Forms and templates: alike ones come together, ids follow from content, what is known stays."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from evaluators.patterns.form import form
from evaluators.patterns.matching import N_BANDS, Template, bands, best_match, pairs, similarity, template_id
from evaluators.patterns.mining import mine

LIMIT = "i want to increase the limit of my card for a while"


class Store:
    """Templates as a database holds them: found by their bands."""

    def __init__(self) -> None:
        self.known: list[tuple[Template, set[int]]] = []

    def look_up(self, keys: Sequence[Sequence[int]]) -> list[list[Template]]:
        return [[each for each, bands in self.known if bands & set(own)] for own in keys]

    def add(self, forms: Sequence[str]) -> dict[str, UUID]:
        mined = mine(forms, look_up=self.look_up)
        self.known += [(each.template, set(each.bands)) for each in mined if each.bands is not None]
        return {each.form: each.template.id for each in mined}


def test_a_form_that_differs_in_a_word_joins_the_template() -> None:
    ids = Store().add([LIMIT, LIMIT.replace("while", "month"), "please block my card at once"])
    assert ids[LIMIT] == ids[LIMIT.replace("while", "month")]
    assert len(set(ids.values())) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("東京の天気を教えてください", "大阪の天気を教えてください"),
        ("서울의 날씨를 알려 주세요", "부산의 날씨를 알려 주세요"),
        ("ฉันต้องการยกเลิกบัตรของฉัน", "ฉันต้องการยกเลิกบัญชีของฉัน"),
    ],
)
def test_unspaced_scripts_are_compared_sign_by_sign(one: str, other: str) -> None:
    assert len(set(Store().add([form(one), form(other)]).values())) == 1
    assert (
        len(set(Store().add([form(one), form("メールの返事を書いて"), form("이메일을 요약해 줘")]).values()))
        == 3
    )


def test_ids_are_the_same_in_every_process_and_database() -> None:
    assert template_id("mined", LIMIT) == UUID("975786e8-a0f3-8265-919a-25361f5f170f")
    assert template_id("mined", "a", "b") != template_id("mined", "ab")
    assert bands(LIMIT)[:2] == [9060306627243382015, -2180754637888438524]
    assert len(bands("<*>")) == N_BANDS


def test_what_is_known_stays_whatever_comes_later_and_in_whatever_order() -> None:
    forms = [f"{LIMIT} {word}" for word in ("now", "today", "soon", "please", "again")]
    store = Store()
    first = store.add(forms[:2])
    again = store.add(forms)
    assert {text: again[text] for text in first} == first
    assert store.add(list(reversed(forms))) == again


def test_the_same_forms_in_the_same_order_make_the_same_templates() -> None:
    forms = [f"{LIMIT} {word}" for word in ("now", "today", "soon")]
    assert Store().add(forms) == Store().add(forms)


def test_of_two_templates_the_more_similar_one_is_taken_and_of_equal_ones_the_first_by_id() -> None:
    near, far = (
        Template(UUID(int=9), LIMIT),
        Template(UUID(int=1), "i want to increase the limit of something"),
    )
    assert best_match(LIMIT + " please", [far, near]) == near
    twins = [Template(UUID(int=number), LIMIT) for number in (5, 3, 4)]
    assert best_match(LIMIT, twins) == twins[1]
    assert best_match("nothing of the kind", twins) is None


def test_similarity_is_the_share_of_common_pairs() -> None:
    assert similarity(pairs("a b c d"), pairs("a b c e")) == 0.5
    assert pairs("word") == {"word"}
