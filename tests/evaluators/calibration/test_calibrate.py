"""A judge against people's labels, call by call."""

import numpy as np
import pytest

from evaluators.calibration.calibrate import calibrate
from evaluators.calibration.labelled import LabelledCall, Rating, majority, passes
from evaluators.statistics.wilson import wilson


def call(
    number: int,
    *said: str,
    verdict: str | None = "pass",
    grade: float | None = None,
    grades: tuple[float, ...] = (),
    cluster: str | None = None,
) -> LabelledCall:
    """A call that people (one rater each) called `said`, and the judge `verdict`."""
    given = grades or (None,) * len(said)
    ratings = tuple(Rating(f"r{i}", word, g) for i, (word, g) in enumerate(zip(said, given, strict=True)))
    return LabelledCall(f"c{number}", cluster or f"k{number}", ratings, verdict, grade)


def labelled(n: int, *, accuracy: float, seed: int = 1) -> list[LabelledCall]:
    random = np.random.default_rng(seed)
    people = np.where(random.random(n) < 0.7, "pass", "fail")
    other = np.where(people == "pass", "fail", "pass")
    judge = np.where(random.random(n) < accuracy, people, other)
    return [call(i, str(people[i]), verdict=str(judge[i])) for i in range(n)]


def test_the_majority_of_raters_is_the_truth() -> None:
    assert majority(["a", "b", "a"]) == "a"
    assert majority(["a", "b"]) is None
    assert majority([]) is None


def test_a_good_judge_is_ok_with_every_figure_counted() -> None:
    found = calibrate(labelled(300, accuracy=0.95))
    assert found.standing.state == "ok"
    assert found.n == found.agreement.raw.n == found.agreement.kappa.n == 300
    assert found.detection.recall.n + found.detection.specificity.n == 300
    assert found.detection.recall.value > 0.85


def test_calls_on_which_people_are_split_count_nowhere() -> None:
    found = calibrate(
        [*labelled(100, accuracy=0.9), call(1_000, "pass", "fail"), call(1_001, "fail", "fail")]
    )
    assert (found.n, found.n_undecided) == (101, 1)


def test_a_call_without_a_verdict_is_no_disagreement() -> None:
    calls = labelled(100, accuracy=1.0)
    silent = [call(2_000 + i, "fail", verdict=None) for i in range(50)]
    found = calibrate([*calls, *silent])
    assert (found.n, found.agreement.raw.value) == (100, 1.0)
    # But people's own agreement does not depend on the judge.
    both = [call(3_000 + i, "fail", "pass", verdict=None) for i in range(30)]
    assert calibrate([*calls, *both]).human.n == 30


@pytest.mark.parametrize("seed", range(8))
def test_a_coin_never_passes(seed: int) -> None:
    found = calibrate(labelled(400, accuracy=0.5, seed=seed))
    assert found.standing.state == "degraded"


def test_a_judge_that_passes_everything_is_refused_though_it_agrees_often() -> None:
    calls = [call(i, "pass" if i % 10 else "fail", verdict="pass") for i in range(400)]
    found = calibrate(calls)
    assert found.agreement.raw.value == 0.9
    assert found.agreement.kappa.value == 0
    assert found.standing.state == "degraded"


def test_grades_are_compared_where_people_gave_them() -> None:
    random = np.random.default_rng(3)
    grades = random.integers(1, 6, 120)
    calls = [
        call(
            i,
            passes(grade, is_graded=True),
            verdict=passes(grade, is_graded=True),
            grade=float(grade),
            grades=(float(min(5, grade + 1)),),
        )
        for i, grade in enumerate(grades)
    ]
    found = calibrate(calls)
    assert found.quadratic_kappa.n == found.spearman.n == 120
    assert 0.7 < found.quadratic_kappa.value < 1
    assert found.spearman.value > 0.9
    assert not calibrate(labelled(50, accuracy=0.9)).spearman.is_known


def test_a_conversation_counts_once() -> None:
    calls = labelled(60, accuracy=0.8)
    again = [
        LabelledCall(f"{c.call_id}-{i}", c.cluster, c.ratings, c.verdict) for c in calls for i in range(6)
    ]
    once, often = calibrate(calls), calibrate(again)
    assert (often.n, often.n_clusters) == (360, 60)
    assert often.agreement.kappa.width == pytest.approx(once.agreement.kappa.width, rel=0.1)


def test_other_categories_are_compared_without_precision_and_recall() -> None:
    calls = [call(i, "abt"[i % 3], verdict="abt"[i % 3]) for i in range(90)]
    found = calibrate(calls)
    assert found.standing.state == "ok"
    assert not found.detection.precision.is_known


def test_no_labels_are_uncalibrated_and_not_zero() -> None:
    found = calibrate([])
    assert (found.n, found.standing.state) == (0, "uncalibrated")
    assert not found.agreement.raw.is_known


def test_parse_errors_are_held_against_the_judge() -> None:
    found = calibrate(labelled(300, accuracy=0.95), parse_errors=wilson(25, 999))
    assert found.standing.state == "degraded"
    assert "2.5% of 999" in found.standing.reasons[0]


def test_a_grade_passes_from_four_on_and_a_rule_from_one() -> None:
    assert [passes(grade, is_graded=True) for grade in (3, 4, 5)] == ["fail", "pass", "pass"]
    assert [passes(value, is_graded=False) for value in (0, 1)] == ["fail", "pass"]


def test_labels_of_one_class_only_are_too_few_of_the_other() -> None:
    found = calibrate([call(i, "pass", verdict="pass") for i in range(50)])
    assert found.standing.state == "uncalibrated"
    assert "0 fail, 50 pass" in found.standing.reasons[0]
