"""When a judge may be believed: the policy, and the state that follows from the figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from evaluators.statistics.estimate import Estimate

State = Literal["uncalibrated", "ok", "degraded"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a judge must meet. Its figures gate alerts and leaderboards.

    `least_of_each_class` labels of every class must be there before anything is said (Hamel Husain and
    Shreya Shankar: at least 20 passes and 20 fails). Then its kappa must reach `least_kappa`, or come within
    `below_people` of what people reach among themselves, and its interval must lie above 0: where people
    hardly agree, a coin comes near them. Verdicts outside the protocol and verdicts that change when the same
    thing is asked again (or in the other order) are bounded, too.
    """

    least_of_each_class: int = 20
    least_kappa: float = 0.6
    below_people: float = 0.1
    most_parse_errors: float = 0.02
    most_flips: float = 0.2


POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Standing:
    """A state and every reason for it, as sentences; an `ok` has none."""

    state: State
    reasons: tuple[str, ...] = ()


def standing(
    *,
    class_counts: Mapping[str, int],
    kappa: Estimate,
    human: Estimate,
    parse_errors: Estimate,
    flips: Estimate,
    policy: Policy = POLICY,
) -> Standing:
    """The state of a judge. `class_counts` are people's labels by class, of calls that the judge has scored.

    `human` is how far people agree among themselves (Krippendorff's alpha), unknown with one rater. Unknown
    parse errors or flips have not been measured, and are not held against the judge.
    """
    lacking = _lacking(class_counts, policy=policy)
    if lacking:
        return Standing("uncalibrated", lacking)
    reasons = [*_disagreement(kappa, human, policy=policy)]
    if parse_errors.is_known and parse_errors.value > policy.most_parse_errors:
        reasons.append(
            f"{parse_errors.value:.1%} of {parse_errors.n} verdicts are outside the protocol "
            f"(at most {policy.most_parse_errors:.0%})"
        )
    if flips.is_known and flips.value > policy.most_flips:
        reasons.append(
            f"{flips.value:.1%} of {flips.n} verdicts change when asked again "
            f"(at most {policy.most_flips:.0%})"
        )
    return Standing("degraded" if reasons else "ok", tuple(reasons))


def _lacking(class_counts: Mapping[str, int], *, policy: Policy) -> tuple[str, ...]:
    short = {name: n for name, n in class_counts.items() if n < policy.least_of_each_class}
    if not short and len(class_counts) >= 2:
        return ()
    found = ", ".join(f"{n} {name}" for name, n in sorted(class_counts.items())) or "none"
    return (f"needs {policy.least_of_each_class} labels of each class, has {found}",)


def _disagreement(kappa: Estimate, human: Estimate, *, policy: Policy) -> list[str]:
    if not kappa.is_known:
        return ["its kappa is not defined: it gives one verdict only"]
    if not (kappa.has_interval and kappa.low > 0):
        return [f"its kappa of {kappa.value:.2f} (n {kappa.n}) may be chance"]
    needed = policy.least_kappa
    if human.is_known:
        needed = min(needed, human.value - policy.below_people)
    if kappa.value >= needed:
        return []
    people = f"; people reach {human.value:.2f} among themselves" if human.is_known else ""
    return [f"its kappa of {kappa.value:.2f} (n {kappa.n}) is below {needed:.2f}{people}"]
