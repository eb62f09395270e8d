"""What people said of a call, beside what the judge said."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

PASS = "pass"
FAIL = "fail"

PASS_GRADE = 4
"""Of a rubric's 1–5, the least grade that passes: 4 is "good" in the shipped anchors, 3 "mixed"."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One rater's word: a category (pass, fail, or what both sides use), and the grade if one was given."""

    rater: str
    category: str
    grade: float | None = None


@dataclass(frozen=True, slots=True)
class LabelledCall:
    """A call with blind ratings and the judge's verdict (None where it gave none).

    `cluster` is what makes calls alike: a conversation, a prompt. `strata` name what it is compared within.
    `weight` is 1 / probability of being labelled. `split` is what an even split of raters counts as: a tie
    between two answers; None (of pass and fail) leaves it open.
    """

    call_id: str
    cluster: str
    ratings: tuple[Rating, ...]
    verdict: str | None
    grade: float | None = None
    model: str = ""
    prompt: str = ""
    weight: float = 1.0
    split: str | None = None

    @property
    def majority(self) -> str | None:
        """The category that most raters chose; `split` where two lead."""
        return majority([rating.category for rating in self.ratings]) or self.split

    @property
    def human_grade(self) -> float | None:
        """The middle grade, where every rater gave one."""
        grades = [rating.grade for rating in self.ratings if rating.grade is not None]
        return float(median(grades)) if grades and len(grades) == len(self.ratings) else None


def majority(categories: Sequence[str]) -> str | None:
    """The most frequent category, None where two are or there is none."""
    ranked = Counter(categories).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def passes(value: float, *, is_graded: bool) -> str:
    """`pass` or `fail`: from `PASS_GRADE` on for a rubric's grade, from 1 on for a rule's 0 or 1."""
    return PASS if value >= (PASS_GRADE if is_graded else 1) else FAIL
