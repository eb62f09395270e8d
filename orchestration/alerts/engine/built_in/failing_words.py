"""The failing share in words, with what a change of rules makes of it."""

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.engine.verdict import Verdict
from orchestration.alerts.engine.wording import window_words
from orchestration.alerts.reading.types import Sums


def failing_words(rule: Rule, verdict: Verdict, sums: Sums) -> str:
    """`60.0% of 100 calls failed in the last 24 h (95 % interval …, threshold 25%)`."""
    share = verdict.value or 0.0
    message = f"{share:.1%} of {verdict.n} calls failed {window_words(rule)}"
    if verdict.low is not None and verdict.high is not None and verdict.threshold is not None:
        message += f" (95 % interval {verdict.low:.1%}–{verdict.high:.1%}, threshold {verdict.threshold:.0%})"
    offset = sums.numerator / sums.denominator - share if sums.denominator else 0.0
    # Below a thousandth of a percent it is rounding.
    if abs(offset) > 1e-5:
        message += f", without the {offset:+.1%} that a change of rules makes"
    return message
