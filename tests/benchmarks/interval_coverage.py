"""How often the 95 % intervals hold a truth that is known, because it was made up: 93–97 % is the bar.

    python tests/benchmarks/interval_coverage.py [--repeats 4000] [--only NAME]

Each scenario draws a sample of a process whose true value is known, and asks whether the interval holds it.
With 4,000 repeats a true 95 % shows as 94.3–95.7 %. Exit 1 where a scenario is outside the bar.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.statistics.agreement import cohen_kappa
from evaluators.statistics.alpha import krippendorff_alpha
from evaluators.statistics.correlation import spearman
from evaluators.statistics.detection import detection
from evaluators.statistics.differences import clustered_difference, difference, paired_difference
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.prediction_powered import prediction_powered
from evaluators.statistics.rogan_gladen import JudgeErrors, rogan_gladen
from evaluators.statistics.weighted import weighted_mean, weighted_rate
from evaluators.statistics.wilson import wilson

LEAST, MOST = 0.93, 0.97
Random = np.random.Generator
Draw = Callable[[Random], tuple[Estimate, float]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`draw` gives an estimate and the truth; slow ones (bootstrap) are repeated less often."""

    name: str
    draw: Draw
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """The share of intervals that hold the truth, how many there were, how wide they are on average."""

    name: str
    held: Estimate
    width: float
    bias: float

    @property
    def is_within(self) -> bool:
        return LEAST <= self.held.value <= MOST


def cover(scenario: Scenario, *, repeats: int, seed: int = 1) -> Coverage:
    """Repeat a scenario; an estimate without an interval counts as a miss."""
    random = np.random.default_rng([seed, *scenario.name.encode()])
    drawn = [scenario.draw(random) for _ in range(repeats)]
    held = sum(found.low <= truth <= found.high for found, truth in drawn)
    width = float(np.mean([found.width for found, _ in drawn if found.has_interval]))
    bias = float(np.mean([found.value - truth for found, truth in drawn]))
    return Coverage(scenario.name, wilson(int(held), repeats), width, bias)


def small_rate(random: Random) -> tuple[Estimate, float]:
    """Wilson, 80 calls, few failures; the rate differs from draw to draw, as coverage swings with it."""
    truth = random.uniform(0.02, 0.2)
    return wilson(int(random.binomial(80, truth)), 80), truth


def large_rate(random: Random) -> tuple[Estimate, float]:
    truth = random.uniform(0.1, 0.9)
    return wilson(int(random.binomial(1_000, truth)), 1_000), truth


def rate_difference(random: Random) -> tuple[Estimate, float]:
    """Newcombe: a week of 150 calls against one of 400."""
    new, old = random.uniform(0.05, 0.4), random.uniform(0.05, 0.4)
    ours = wilson(int(random.binomial(150, new)), 150)
    theirs = wilson(int(random.binomial(400, old)), 400)
    return difference(ours, theirs), new - old


def sampled_rate(random: Random) -> tuple[Estimate, float]:
    """Failing calls judged with 50 %, others with 5 %: the judge's pass rate of all 4,000."""
    is_failing = random.random(4_000) < 0.1
    passes = random.random(4_000) < np.where(is_failing, 0.35, 0.9)
    probability = np.where(is_failing, 0.5, 0.05)
    chosen = random.random(4_000) < probability
    return weighted_rate(passes[chosen], weights=1 / probability[chosen]), 0.1 * 0.35 + 0.9 * 0.9


def sampled_mean(random: Random) -> tuple[Estimate, float]:
    """Grades of 1–5 under the same sampling."""
    is_failing = random.random(4_000) < 0.1
    grades = np.where(
        is_failing, random.choice([1, 2, 3, 4, 5], 4_000, p=[0.3, 0.3, 0.2, 0.1, 0.1]), 0
    ) + np.where(is_failing, 0, random.choice([1, 2, 3, 4, 5], 4_000, p=[0.02, 0.05, 0.13, 0.4, 0.4]))
    probability = np.where(is_failing, 0.5, 0.05)
    chosen = random.random(4_000) < probability
    truth = 0.1 * (0.3 + 0.6 + 0.6 + 0.4 + 0.5) + 0.9 * (0.02 + 0.1 + 0.39 + 1.6 + 2.0)
    return weighted_mean(grades[chosen], weights=1 / probability[chosen]), truth


def clustered_mean(random: Random) -> tuple[Estimate, float]:
    """Sixty conversations of one to some twenty calls, alike within (intraclass correlation 0.3)."""
    clusters = _clusters(random, 60)
    values = random.normal(0, np.sqrt(0.3), 60)[clusters] + random.normal(0, np.sqrt(0.7), len(clusters))
    return weighted_mean(3 + values, clusters=clusters), 3.0


def clustered_rate(random: Random) -> tuple[Estimate, float]:
    """Eighty conversations, each with a pass rate of its own around 0.85."""
    clusters = _clusters(random, 80)
    own = random.beta(0.85 * 6, 0.15 * 6, 80)
    return weighted_rate(random.random(len(clusters)) < own[clusters], clusters=clusters), 0.85


def weighted_clustered_rate(random: Random) -> tuple[Estimate, float]:
    """Eighty conversations and unequal weights at once."""
    clusters = _clusters(random, 80)
    own = random.beta(0.7 * 6, 0.3 * 6, 80)
    passes = random.random(len(clusters)) < own[clusters]
    return weighted_rate(passes, weights=random.choice([1, 2, 10], len(clusters)), clusters=clusters), 0.7


def shared_prompts(random: Random) -> tuple[Estimate, float]:
    """Two models on the same 70 prompts, several answers each."""
    difficulty = random.normal(0, 1, 70)
    ours, theirs = _clusters(random, 70), _clusters(random, 70)
    new = difficulty[ours] + 0.2 + random.normal(0, 1, len(ours))
    old = difficulty[theirs] + random.normal(0, 1, len(theirs))
    return clustered_difference(new, old, new_clusters=ours, old_clusters=theirs), 0.2


def pairs(random: Random) -> tuple[Estimate, float]:
    """A golden set of 60 items judged twice: grades that mostly stay."""
    old = random.integers(1, 6, 60)
    moved = random.choice([-1, 0, 1], 60, p=[0.2, 0.75, 0.05])
    return paired_difference(old + moved, old), -0.15


def powered_strong(random: Random) -> tuple[Estimate, float]:
    """A judge that is right on 90 %: 150 labels among 3,000 judged calls."""
    return _powered(random, n=3_000, n_labels=150, accuracy=0.9)


def powered_weak(random: Random) -> tuple[Estimate, float]:
    """A judge that is right on 60 %."""
    return _powered(random, n=3_000, n_labels=150, accuracy=0.6)


def powered_elsewhere(random: Random) -> tuple[Estimate, float]:
    """Labels of other days: none of the 800 judged calls has one."""
    truth = 0.7
    people = random.random(1_000) < truth
    judge = np.where(random.random(1_000) < 0.85, people, ~people)
    labels = np.where(np.arange(1_000) < 200, people, np.nan)
    found = prediction_powered(judge, labels, in_population=np.arange(1_000) >= 200)
    return found.corrected, truth


def powered_weighted(random: Random) -> tuple[Estimate, float]:
    """Calls that the judge fails are four times as likely to be labelled."""
    truth, n = 0.8, 3_000
    people = random.random(n) < truth
    judge = np.where(random.random(n) < 0.85, people, ~people)
    probability = np.where(judge, 0.04, 0.16)
    labels = np.where(random.random(n) < probability, people, np.nan)
    return prediction_powered(judge, labels, label_weights=1 / probability).corrected, truth


def powered_clustered(random: Random) -> tuple[Estimate, float]:
    """Whole conversations are labelled, and alike within: 60 of 400."""
    clusters = _clusters(random, 400)
    own = random.beta(0.75 * 5, 0.25 * 5, 400)
    people = random.random(len(clusters)) < own[clusters]
    judge = np.where(random.random(len(clusters)) < 0.85, people, ~people)
    labels = np.where(clusters < 60, people, np.nan)
    return prediction_powered(judge, labels, clusters=clusters).corrected, 0.75


def prevalence(random: Random) -> tuple[Estimate, float]:
    """Rogan–Gladen: a judge known from 120 passes and 80 fails of elsewhere."""
    truth, n = random.uniform(0.3, 0.95), 500
    sensitivity, specificity = 0.85, 0.75
    passed = random.binomial(n, truth * sensitivity + (1 - truth) * (1 - specificity))
    errors = JudgeErrors(
        120, int(random.binomial(120, sensitivity)), 80, int(random.binomial(80, specificity))
    )
    found = rogan_gladen(int(passed), n, errors=errors)
    assert isinstance(found, Estimate)
    return found, truth


def recall(random: Random) -> tuple[Estimate, float]:
    """How many of the failures a judge finds: 200 calls, one in four failing."""
    truth = random.uniform(0.6, 0.95)
    failing = random.random(200) < 0.25
    flagged = random.random(200) < np.where(failing, truth, 0.1)
    return detection(flagged, failing).recall, truth


def kappa(random: Random) -> tuple[Estimate, float]:
    """Two raters who pass 70 %, 200 items: kappa 0.6."""
    joint = _joint(0.7, 0.7, 0.6)
    cells = random.choice(4, 200, p=joint)
    return cohen_kappa(cells // 2, cells % 2, n_resamples=1_000), 0.6


def clustered_kappa(random: Random) -> tuple[Estimate, float]:
    """The same verdict pairs repeated within 90 clusters."""
    own = random.choice(4, 90, p=_joint(0.7, 0.7, 0.6))
    clusters = _clusters(random, 90)
    again = random.choice(4, len(clusters), p=_joint(0.7, 0.7, 0.6))
    cells = np.where(random.random(len(clusters)) < 0.5, own[clusters], again)
    return cohen_kappa(cells // 2, cells % 2, clusters=clusters, n_resamples=1_000), 0.6


def quadratic_kappa(random: Random) -> tuple[Estimate, float]:
    """Grades of 1–5: a rater who repeats the other's grade on 60 % and guesses like it elsewhere."""
    shares = np.array([0.1, 0.15, 0.25, 0.3, 0.2])
    one = random.choice(5, 150, p=shares)
    two = np.where(random.random(150) < 0.6, one, random.choice(5, 150, p=shares))
    return cohen_kappa(one, two, weighting="quadratic", n_resamples=1_000), 0.6


def alpha(random: Random) -> tuple[Estimate, float]:
    """Three raters who each repeat the item's own category with 80 % and else guess like it; alpha 0.64."""
    items = random.random(120) < 0.6
    rated = [np.where(random.random(120) < 0.8, items, random.random(120) < 0.6) for _ in range(3)]
    table = np.stack(rated, axis=1).astype(float)
    table[random.random(table.shape) < 0.15] = np.nan
    return krippendorff_alpha(table, n_resamples=1_000), 0.64


def rank_correlation(random: Random) -> tuple[Estimate, float]:
    """Bivariate normal, 150 pairs; Spearman's rho is 6/pi asin(r/2)."""
    one, noise = random.normal(size=150), random.normal(size=150)
    two = 0.6 * one + 0.8 * noise
    return spearman(one, two, n_resamples=1_000), 6 / np.pi * np.arcsin(0.3)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("rate, n 80, 2–20 %", small_rate),
    Scenario("rate, n 1,000", large_rate),
    Scenario("difference of rates, n 150 and 400", rate_difference),
    Scenario("weighted rate", sampled_rate),
    Scenario("weighted mean", sampled_mean),
    Scenario("clustered mean, 60 clusters", clustered_mean),
    Scenario("clustered rate, 80 clusters", clustered_rate),
    Scenario("weighted clustered rate, 80 clusters", weighted_clustered_rate),
    Scenario("difference with shared prompts", shared_prompts),
    Scenario("paired difference, n 60", pairs),
    Scenario("prediction-powered, judge right on 90 %", powered_strong),
    Scenario("prediction-powered, judge right on 60 %", powered_weak),
    Scenario("prediction-powered, labels of other days", powered_elsewhere),
    Scenario("prediction-powered, weighted labels", powered_weighted),
    Scenario("prediction-powered, clustered labels", powered_clustered),
    Scenario("Rogan–Gladen", prevalence),
    Scenario("recall, about 50 failures", recall),
    Scenario("kappa, n 200", kappa, is_slow=True),
    Scenario("kappa, 90 clusters", clustered_kappa, is_slow=True),
    Scenario("quadratic kappa, n 150", quadratic_kappa, is_slow=True),
    Scenario("Krippendorff's alpha, n 120", alpha, is_slow=True),
    Scenario("Spearman, n 150", rank_correlation, is_slow=True),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=4_000)
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    given = parser.parse_args()
    print("| figure | repeats | covered | 95 % interval of that | mean width | bias |")
    print("|---|---|---|---|---|---|")
    outside = 0
    for scenario in (one for one in SCENARIOS if given.only in one.name):
        repeats = given.repeats // 2 if scenario.is_slow else given.repeats
        found = cover(scenario, repeats=repeats)
        outside += not found.is_within
        held = f"{found.held.value:.1%} | {found.held.low:.1%}–{found.held.high:.1%}"
        print(f"| {found.name} | {repeats:,} | {held} | {found.width:.3f} | {found.bias:+.4f} |", flush=True)
    return 1 if outside else 0


def _powered(random: Random, *, n: int, n_labels: int, accuracy: float) -> tuple[Estimate, float]:
    truth = random.uniform(0.6, 0.9)
    people = random.random(n) < truth
    judge = np.where(random.random(n) < accuracy, people, ~people)
    labels = np.where(np.arange(n) < n_labels, people, np.nan)
    return prediction_powered(judge, labels).corrected, truth


def _clusters(random: Random, n_clusters: int) -> np.ndarray:
    """Cluster numbers of items: sizes from 1 on, a few large ones."""
    return np.repeat(np.arange(n_clusters), 1 + random.geometric(0.25, n_clusters))


def _joint(one: float, two: float, agreed: float) -> list[float]:
    """Probabilities of (0,0), (0,1), (1,0), (1,1) of two raters who pass `one` and `two`, at this kappa."""
    chance = one * two + (1 - one) * (1 - two)
    same = chance + agreed * (1 - chance)
    both = (same + one + two - 1) / 2
    return [1 - one - two + both, two - both, one - both, both]


if __name__ == "__main__":
    sys.exit(main())
