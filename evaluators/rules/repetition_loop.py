"""The model is stuck and says the same again and again."""

import polars as pl

from evaluators.rules.base import Rule, outcome, rows_where, unscored_unless
from evaluators.rules.tokens import n_grams


def repetition_loop(*, duplicate_ratio: float = 0.5, least_grams: int = 40) -> Rule:
    """Fails: more than `duplicate_ratio` of the answer's 4-grams of words (8-grams of characters where
    words are not spaced) stood in it before.

    Unscored: no text, or fewer than `least_grams` n-grams, as a refrain is no loop (not_applicable). The measure is
    the duplicate n-gram fraction of Rae et al. 2021 (Gopher, table A1), at a level that prose never reaches.
    """

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        words = pl.col("answer").str.count_matches(r"\S+")
        length = pl.col("answer").str.len_chars()
        unspaced = (length > 15 * words) | pl.col("answer").str.head(400).str.contains(
            r"[\x{0e00}-\x{0eff}\x{1000}-\x{109f}\x{1780}-\x{17ff}\x{3040}-\x{30ff}\x{3400}-\x{9fff}]"
        )
        long_enough = (words > least_grams + 2) | (unspaced & (length > least_grams + 6))
        found = rows_where(frame, pl.col("text_gap").is_null() & long_enough, columns=["answer"], judge=judge)
        return outcome(frame, unscored=unscored_unless(long_enough), evidence=found)

    def judge(answer: str) -> str | None:
        grams = n_grams(answer)
        if len(grams) < least_grams:
            return None
        ratio = 1 - len(set(grams)) / len(grams)
        return f"{ratio:.2f} of {len(grams)} n-grams are repeats" if ratio > duplicate_ratio else None

    return Rule(
        name="repetition_loop",
        version="1.0.0",
        severity="critical",
        description="The answer repeats itself.",
        requires=("output_text", "body_state"),
        check=check,
        config=(("duplicate_ratio", duplicate_ratio), ("least_grams", least_grams)),
    )
