"""A bridge says what a version changes: on the same calls, with chance and doubt told."""

import math
from dataclasses import replace

import pytest

from evaluators.versions.bridge import SharedCall, build_bridge


def call(number: int, value_from: float, value_to: float, **more: str) -> SharedCall:
    return SharedCall(f"call-{number:04}", value_from, value_to, **more)  # type: ignore[arg-type]


def test_the_figures_are_those_of_the_table() -> None:
    """Fleiss's textbook layout: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no; kappa is 0.4 exactly."""
    cells = [(1, 1, 20), (1, 0, 5), (0, 1, 10), (0, 0, 15)]
    pairs = [pair[:2] for pair in cells for _ in range(pair[2])]
    bridge = build_bridge([call(n, *pair) for n, pair in enumerate(pairs)])

    assert bridge.n == 50
    assert bridge.agreement.value == pytest.approx(0.7)
    assert bridge.kappa.value == pytest.approx(0.4)
    assert bridge.shift.value == pytest.approx(0.1)
    assert bridge.mean_from.value == pytest.approx(0.5)
    assert bridge.mean_to.value == pytest.approx(0.6)
    assert bridge.flips == (("0", "1", 10), ("1", "0", 5))
    assert bridge.n_flips == 15
    assert bridge.kappa.low < 0.4 < bridge.kappa.high
    assert not bridge.is_enough


def test_the_same_verdicts_are_no_change_beyond_doubt() -> None:
    bridge = build_bridge([call(n, n % 5, n % 5) for n in range(300)])

    assert (bridge.agreement.value, bridge.kappa.value, bridge.shift.value) == (1, 1, 0)
    assert bridge.flips == () == bridge.examples
    assert bridge.is_enough


def test_without_shared_calls_nothing_is_known() -> None:
    bridge = build_bridge([])

    assert bridge.n == 0
    for estimate in (bridge.agreement, bridge.kappa, bridge.shift, bridge.mean_from):
        assert math.isnan(estimate.value)


def test_labels_decide_where_both_have_one() -> None:
    """0.49 and 0.51 are two numbers and one verdict; 0.5 and 0.5 with other labels are two verdicts."""
    same = call(1, 0.49, 0.51, label_from="pass", label_to="pass")
    other = call(2, 0.5, 0.5, label_from="pass", label_to="fail")

    assert [each.is_flip for each in (same, other, replace(other, label_to=None))] == [False, True, False]


def test_a_measure_has_no_kappa_but_a_shift() -> None:
    bridge = build_bridge([call(n, n / 7, n / 7 + 0.25) for n in range(60)])

    assert not bridge.kappa.is_known
    assert bridge.shift.value == pytest.approx(0.25)


def test_calls_that_were_rarely_drawn_weigh_more() -> None:
    drawn = [replace(call(n, 1, 1), weight=1.0) for n in range(90)]
    rare = [replace(call(100 + n, 1, 2), weight=9.0) for n in range(10)]

    assert build_bridge([*drawn, *rare]).shift.value == pytest.approx(0.5)
    assert build_bridge([replace(each, weight=1.0) for each in [*drawn, *rare]]).shift.value == pytest.approx(
        0.1
    )


def test_a_conversation_said_a_hundred_times_is_not_a_hundred_calls() -> None:
    alone = [call(n, 0, n % 2) for n in range(400)]
    alike = [replace(each, cluster=f"talk-{n % 40 // 2}-{n % 2}") for n, each in enumerate(alone)]

    one, other = build_bridge(alone).shift, build_bridge(alike).shift
    assert one.value == other.value
    assert other.width > 2 * one.width


def test_strata_tell_where_a_version_differs() -> None:
    """Pooled, the shift is 0.25; it is all of one model's, and of no prompt's in particular."""
    calls = [
        replace(call(n, 1, 1.5 if n % 2 else 1), model="b" if n % 2 else "a", prompt="p") for n in range(100)
    ]
    calls.append(replace(calls[0], call_id="alone", model="c"))
    bridge = build_bridge(calls)

    found = [(s.dimension, s.name, s.n, s.shift.value) for s in bridge.strata]
    # The third model has one call, and one prompt is no stratum.
    assert found == [("model", "a", 50, 0.0), ("model", "b", 50, pytest.approx(0.5))]


def test_examples_are_the_widest_flips_one_a_cluster() -> None:
    calls = [
        replace(call(1, 1, 5), cluster="talk"),
        replace(call(2, 1, 4), cluster="talk"),
        call(3, 3, 3),
        call(4, 2, 4),
        call(5, 2, 3),
    ]
    assert [each.call_id for each in build_bridge(calls).examples] == ["call-0001", "call-0004", "call-0005"]
