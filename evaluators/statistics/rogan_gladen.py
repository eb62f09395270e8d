"""Rogan and Gladen's correction of a pass rate, for labels that are not of the calls it speaks of."""

from dataclasses import dataclass
from math import sqrt

from evaluators.statistics.estimate import Estimate, critical_value

# Below these the correction divides by a difference that the labels hardly know (reference: own thresholds).
LEAST_OF_EACH_CLASS = 30
LEAST_YOUDEN = 0.2


@dataclass(frozen=True, slots=True)
class NotCorrected:
    """Why the correction does not hold here."""

    reason: str


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """What the labels know of a judge: of `n_pass` answers that people pass it passed `n_pass_found`, of
    `n_fail` that people fail it failed `n_fail_found`."""

    n_pass: int
    n_pass_found: int
    n_fail: int
    n_fail_found: int

    @property
    def sensitivity(self) -> float:
        """The share of passing answers that the judge passes."""
        return self.n_pass_found / self.n_pass

    @property
    def specificity(self) -> float:
        """The share of failing answers that the judge fails."""
        return self.n_fail_found / self.n_fail


def rogan_gladen(
    n_passed: int, n: int, *, errors: JudgeErrors, confidence: float = 0.95
) -> Estimate | NotCorrected:
    """The true pass rate behind `n_passed` of `n` by a judge of known errors, or why it cannot be told.

    It rests on the judge's sensitivity and specificity being the same here as where the labels are from; the
    prediction-powered estimator needs less and is preferred wherever labels are of the same calls. Needs 30
    labels of each class and sensitivity + specificity - 1 of at least 0.2. Sources: Rogan and Gladen 1978,
    American Journal of Epidemiology 107, 71; interval of Lang and Reiczigel 2014, Preventive Veterinary
    Medicine 113, 13.
    """
    if n < 1:
        return NotCorrected("nothing was judged")
    if min(errors.n_pass, errors.n_fail) < LEAST_OF_EACH_CLASS:
        return NotCorrected(f"fewer than {LEAST_OF_EACH_CLASS} labels of a class")
    youden = errors.sensitivity + errors.specificity - 1
    if youden < LEAST_YOUDEN:
        return NotCorrected(f"sensitivity + specificity - 1 is {youden:.2f}, below {LEAST_YOUDEN}")
    value = min(1.0, max(0.0, (n_passed / n + errors.specificity - 1) / youden))
    low, high = _interval(n_passed / n, n, errors, z=critical_value(confidence))
    return Estimate(value, low, high, n)


def _interval(rate: float, n: int, errors: JudgeErrors, *, z: float) -> tuple[float, float]:
    size = n + z * z
    passed = (n * rate + z * z / 2) / size
    n_pass, n_fail = errors.n_pass + 2, errors.n_fail + 2
    sensitivity, specificity = (errors.n_pass_found + 1) / n_pass, (errors.n_fail_found + 1) / n_fail
    youden = sensitivity + specificity - 1
    true = min(1.0, max(0.0, (passed + specificity - 1) / youden))
    of_pass = sensitivity * (1 - sensitivity) / n_pass
    of_fail = specificity * (1 - specificity) / n_fail
    shift = 2 * z * z * (true * of_pass - (1 - true) * of_fail)
    half = z * sqrt(passed * (1 - passed) / size + true**2 * of_pass + (1 - true) ** 2 * of_fail) / youden
    return max(0.0, true + shift - half), min(1.0, true + shift + half)
