"""Which judges may be believed."""

from typing import Any

import pytest

from evaluators.calibration.policy import Policy, standing
from evaluators.statistics.estimate import Estimate, unknown

ENOUGH = {"pass": 60, "fail": 20}


def sure(value: float, n: int = 100) -> Estimate:
    return Estimate(value, value - 0.05, value + 0.05, n)


def state(**given: Any) -> str:
    return described(**given)[0]


def described(**given: Any) -> tuple[str, str]:
    figures: dict[str, Any] = {
        "class_counts": ENOUGH,
        "kappa": sure(0.7),
        "human": unknown(),
        "parse_errors": unknown(),
        "flips": unknown(),
    }
    found = standing(**(figures | given))
    return found.state, "; ".join(found.reasons)


def test_a_judge_that_agrees_beyond_chance_is_ok() -> None:
    assert described() == ("ok", "")


@pytest.mark.parametrize("counts", [{}, {"pass": 500}, {"pass": 500, "fail": 19}, {"pass": 19, "fail": 20}])
def test_too_few_labels_of_a_class_say_nothing(counts: dict[str, int]) -> None:
    found, why = described(class_counts=counts)
    assert found == "uncalibrated"
    assert "20 labels of each class" in why


def test_a_kappa_below_the_policy_is_degraded() -> None:
    assert state(kappa=sure(0.6)) == "ok"
    found, why = described(kappa=sure(0.59))
    assert found == "degraded"
    assert "0.59 (n 100) is below 0.60" in why


def test_people_who_agree_little_ask_for_less() -> None:
    assert state(kappa=sure(0.5), human=sure(0.55)) == "ok"
    found, why = described(kappa=sure(0.4), human=sure(0.55))
    assert found == "degraded"
    assert "people reach 0.55" in why


def test_people_who_agree_much_do_not_ask_for_more() -> None:
    assert state(kappa=sure(0.6), human=sure(0.95)) == "ok"


def test_a_kappa_that_may_be_chance_is_refused_however_little_people_agree() -> None:
    found, why = described(kappa=Estimate(0.04, -0.03, 0.11, 200), human=sure(0.1))
    assert found == "degraded"
    assert "may be chance" in why


def test_a_kappa_without_interval_or_value_is_refused() -> None:
    assert state(kappa=Estimate(0.8, float("nan"), float("nan"), 40)) == "degraded"
    assert state(kappa=unknown(40)) == "degraded"


def test_answers_outside_the_protocol_are_bounded() -> None:
    assert state(parse_errors=sure(0.02)) == "ok"
    assert state(parse_errors=sure(0.021)) == "degraded"


def test_verdicts_that_do_not_hold_are_bounded() -> None:
    assert state(flips=sure(0.2)) == "ok"
    assert state(flips=sure(0.21)) == "degraded"


def test_every_reason_is_given() -> None:
    _, why = described(kappa=sure(0.3), parse_errors=sure(0.5, 40), flips=sure(0.9, 30))
    assert why.count(";") == 2
    assert "50.0% of 40" in why
    assert "90.0% of 30" in why


def test_a_policy_can_ask_for_more() -> None:
    found = standing(
        class_counts=ENOUGH,
        kappa=sure(0.7),
        human=unknown(),
        parse_errors=unknown(),
        flips=unknown(),
        policy=Policy(least_kappa=0.8),
    )
    assert found.state == "degraded"
