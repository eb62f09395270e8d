"""Both orders of a pair, and what many pairs add up to."""

import math
from random import Random

import pytest

from evaluators.judging.win_rates import Choice, Pair, Settled, Winner, settle, win_rates


def pair(
    winner: Winner | None, *, cluster: str, ours: int = 10, theirs: int = 20, is_flip: bool = False
) -> Pair:
    return Pair(Settled(winner, is_flip=is_flip), cluster, ours, theirs)


@pytest.mark.parametrize(
    ("candidate_first", "baseline_first", "winner", "is_flip", "place"),
    [
        ("first", "second", "candidate", False, None),
        ("second", "first", "baseline", False, None),
        ("tie", "tie", "tie", False, None),
        ("first", "first", "tie", True, "first"),
        ("second", "second", "tie", True, "second"),
        ("first", "tie", "tie", True, None),
        ("tie", "first", "tie", True, None),
    ],
)
def test_only_what_both_orders_say_is_a_win(
    candidate_first: Choice, baseline_first: Choice, winner: Winner, is_flip: bool, place: str | None
) -> None:
    assert settle(candidate_first, baseline_first) == Settled(winner, is_flip, place)  # type: ignore[arg-type]


@pytest.mark.parametrize("orders", [(None, "first"), ("second", None), (None, None)])
def test_an_order_without_a_verdict_is_neither_a_loss_nor_a_tie(
    orders: tuple[Choice | None, Choice | None],
) -> None:
    assert settle(*orders) == Settled(None)


def test_a_pair_without_a_verdict_counts_nowhere() -> None:
    settled = [pair("candidate", cluster=str(n)) for n in range(10)]
    lost = [pair(None, cluster=f"lost {n}") for n in range(90)]
    assert win_rates([*settled, *lost]) == win_rates(settled)
    assert win_rates(settled).ties_half.value == 1.0


def test_a_tie_is_half_a_win_or_no_pair_at_all() -> None:
    pairs = [pair("candidate", cluster=str(n)) for n in range(3)]
    pairs += [pair("tie", cluster=f"t{n}", is_flip=n == 0) for n in range(4)]
    pairs += [pair("baseline", cluster="b")]
    rates = win_rates(pairs)
    assert (rates.ties_half.value, rates.ties_half.n) == (5 / 8, 8)
    assert (rates.without_ties.value, rates.without_ties.n) == (3 / 4, 4)
    assert (rates.flips.value, rates.flips.n) == (1 / 8, 8)


def test_the_longer_answer_wins_or_does_not() -> None:
    pairs = [
        pair("candidate", cluster="a", ours=30, theirs=10),
        pair("baseline", cluster="b", ours=10, theirs=30),
        pair("candidate", cluster="c", ours=10, theirs=30),
        pair("candidate", cluster="equal lengths", ours=10, theirs=10),
        pair("tie", cluster="tie", ours=10, theirs=30),
    ]
    longest = win_rates(pairs).longest_wins
    assert (longest.value, longest.n) == (2 / 3, 3)


def test_flips_tell_which_place_they_prefer() -> None:
    flips = [Settled("tie", is_flip=True, preferred_place="first")] * 3
    flips += [Settled("tie", is_flip=True, preferred_place="second"), Settled("tie", is_flip=True)]
    found = win_rates([Pair(each, str(at), 1, 2) for at, each in enumerate(flips)]).first_place
    assert (found.value, found.n) == (3 / 4, 4)


def test_ten_verdicts_of_one_prompt_are_no_surer_than_one() -> None:
    rng = Random(3)
    winners: list[Winner] = [rng.choice(("candidate", "baseline")) for _ in range(40)]
    once = win_rates([pair(each, cluster=str(at)) for at, each in enumerate(winners)]).ties_half
    again = [pair(each, cluster=str(at)) for at, each in enumerate(winners) for _ in range(10)]
    ten = win_rates(again).ties_half
    assert ten.value == once.value
    assert ten.width == pytest.approx(once.width, rel=0.05)
    as_if_independent = [pair(each.settled.winner, cluster=str(at)) for at, each in enumerate(again)]
    assert win_rates(as_if_independent).ties_half.width < ten.width / 2


@pytest.mark.parametrize("winner", ["candidate", "baseline", "tie"])
def test_unanimous_verdicts_still_have_an_interval(winner: Winner) -> None:
    found = win_rates([pair(winner, cluster=str(n)) for n in range(30)]).ties_half
    assert found.has_interval
    assert 0 <= found.low < found.high <= 1
    assert found.width > 0.1


def test_nothing_settled_is_unknown_and_not_zero() -> None:
    found = win_rates([pair(None, cluster="a")])
    assert math.isnan(found.ties_half.value)
    assert found.ties_half.n == 0


def test_names_of_clusters_may_hold_anything() -> None:
    names = ["a", "a\0", "a\0\0", "\ud800", "안녕"]
    assert win_rates([pair("candidate", cluster=name) for name in names]).ties_half.has_interval
