"""Pass rates of a judge and some labels: unbiased, no worse than the labels, honest about what it buys."""

import numpy as np
import pytest

from evaluators.statistics.prediction_powered import prediction_powered

NAN = float("nan")


def judged(
    n: int, *, n_labels: int, accuracy: float, rate: float = 0.8, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """People's words on all n, the judge's, and the labels: those of the first."""
    random = np.random.default_rng(seed)
    people = (random.random(n) < rate).astype(float)
    judge = np.where(random.random(n) < accuracy, people, 1 - people)
    return people, judge, np.where(np.arange(n) < n_labels, people, NAN)


def test_a_judges_bias_is_taken_out() -> None:
    people, _, labels = judged(4_000, n_labels=400, accuracy=1.0)
    lenient = np.maximum(people, np.random.default_rng(2).random(4_000) < 0.6)
    found = prediction_powered(lenient, labels)
    assert found.raw.value > 0.9
    assert not found.raw.low <= people.mean() <= found.raw.high
    assert found.corrected.low <= people.mean() <= found.corrected.high


def test_a_perfect_judge_is_trusted_and_saves_nearly_all_labels() -> None:
    people, judge, labels = judged(5_000, n_labels=100, accuracy=1.0)
    found = prediction_powered(judge, labels)
    assert found.trust == pytest.approx(1, abs=1e-9)
    assert found.corrected.value == pytest.approx(people.mean())
    assert found.label_saving == pytest.approx(1 - 100 / 5_000, abs=0.02)


def test_a_coin_is_not_trusted_and_saves_nothing() -> None:
    _, _, labels = judged(5_000, n_labels=200, accuracy=1.0)
    coin = (np.random.default_rng(3).random(5_000) < 0.5).astype(float)
    found = prediction_powered(coin, labels)
    assert found.trust < 0.15
    assert found.label_saving < 0.02
    assert found.corrected.width == pytest.approx(found.labels_only.width, rel=0.02)


def test_a_judge_that_is_always_wrong_is_left_out() -> None:
    people, _, labels = judged(2_000, n_labels=200, accuracy=1.0)
    found = prediction_powered(1 - people, labels)
    assert found.trust == 0
    assert found.corrected.value == found.labels_only.value


def test_the_saving_is_what_more_labels_would_have_bought() -> None:
    people, judge, labels = judged(50_000, n_labels=400, accuracy=0.9, seed=4)
    found = prediction_powered(judge, labels, is_rate=False)
    equal = round(400 / (1 - found.label_saving))
    more = prediction_powered(judge, np.where(np.arange(50_000) < equal, people, NAN), is_rate=False)
    assert more.labels_only.width == pytest.approx(found.corrected.width, rel=0.1)


def test_labels_of_other_days_correct_this_day() -> None:
    _, judge, labels = judged(3_000, n_labels=300, accuracy=0.85, seed=5)
    today = np.arange(3_000) >= 300
    found = prediction_powered(judge, labels, in_population=today)
    assert found.raw.n == found.corrected.n == 2_700
    assert found.n_labels == 300
    assert found.raw.value == pytest.approx(judge[today].mean())
    mean = labels[:300].mean() + found.trust * (judge[today].mean() - judge[:300].mean())
    assert found.corrected.value == pytest.approx(mean)


def test_labels_drawn_from_the_judged_calls_count_in_both_means() -> None:
    people, judge, labels = judged(400, n_labels=300, accuracy=0.9, seed=6)
    inside = prediction_powered(judge, labels, is_rate=False)
    twice = prediction_powered(
        np.concatenate([judge, judge[:300]]),
        np.concatenate([np.full(400, NAN), labels[:300]]),
        in_population=np.arange(700) < 400,
        is_rate=False,
    )
    # As if they were other calls, the judge would seem to tell more of the rest than it does.
    assert inside.trust > twice.trust
    # With every call labelled the judge has nothing to add.
    all_labelled = prediction_powered(judge, people, is_rate=False)
    assert all_labelled.corrected.value == pytest.approx(people.mean())
    assert all_labelled.label_saving == pytest.approx(0)


def test_weights_of_labels_undo_how_they_were_drawn() -> None:
    random = np.random.default_rng(70)
    people, judge, _ = judged(60_000, n_labels=0, accuracy=0.8, seed=7)
    probability = np.where(judge == 1, 0.02, 0.2)
    labels = np.where(random.random(60_000) < probability, people, NAN)
    naive = prediction_powered(judge, labels)
    weighed = prediction_powered(judge, labels, label_weights=1 / probability)
    assert not naive.labels_only.low <= people.mean() <= naive.labels_only.high
    assert weighed.corrected.low <= people.mean() <= weighed.corrected.high


def test_labels_of_one_conversation_are_no_sample() -> None:
    _, judge, labels = judged(200, n_labels=50, accuracy=0.9)
    clusters = np.where(np.arange(200) < 50, 0, np.arange(200))
    found = prediction_powered(judge, labels, clusters=clusters)
    assert found.corrected.is_known
    assert not found.corrected.has_interval


def test_unanimous_labels_are_as_sure_as_they_are_many() -> None:
    found = prediction_powered(np.ones(500), np.where(np.arange(500) < 40, 1.0, NAN))
    assert (found.corrected.value, found.corrected.high) == (1.0, 1.0)
    assert 0.85 < found.corrected.low < 0.95


def test_no_labels_leave_the_raw_rate_alone() -> None:
    found = prediction_powered([1, 0, 1, 1], [NAN] * 4)
    assert found.raw.value == 0.75
    assert not found.corrected.is_known
    assert found.n_labels == 0


def test_misshapen_input_is_refused() -> None:
    with pytest.raises(ValueError, match="labels"):
        prediction_powered([1, 0], [1])
    with pytest.raises(ValueError, match="finite"):
        prediction_powered([1, NAN], [1, NAN])


def test_ppi_python_says_the_same() -> None:
    # ppi-python 0.2.3: ppi_mean_pointestimate and ppi_mean_ci of 200 labels and 5,000 other calls
    random = np.random.default_rng(11)
    people = (random.random(5_200) < 0.7).astype(float)
    judge = np.where(random.random(5_200) < 0.85, people, 1 - people)
    elsewhere = np.arange(5_200) >= 200
    found = prediction_powered(
        judge, np.where(elsewhere, NAN, people), in_population=elsewhere, is_rate=False
    ).corrected
    # It divides by n where we divide by n - 1, and goes by the normal where we go by Student's t.
    assert (found.value, found.low, found.high) == pytest.approx((0.70876, 0.66211, 0.75541), abs=8e-4)
