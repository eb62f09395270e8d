"""The model is stuck and says the same again and again."""

import polars as pl

from evaluators.rules.base import NOT_APPLICABLE, Rule, outcome, rows_where, unscored_unless
from evaluators.rules.tokens import may_repeat, tokens


def repetition_loop(*, duplicate_ratio: float = 0.5, least_grams: int = 40) -> Rule:
    """Fails: more than `duplicate_ratio` of the answer's n-grams stood in it before: 4-grams of words, or
    8-grams of characters where words are not spaced.

    Unscored: no text, or fewer than `least_grams` n-grams, as a refrain is no loop (not_applicable).
    Source: the duplicate n-gram fraction of Rae et al. 2021 (Gopher, table A1), where prose does not reach.
    """

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        long_enough = pl.col("answer").str.len_chars() >= least_grams + 7
        found = rows_where(frame, pl.col("text_gap").is_null() & long_enough, columns=["answer"], judge=judge)
        too_short = ~long_enough | (pl.col("found") == NOT_APPLICABLE).fill_null(value=False)
        return outcome(
            frame.with_columns(found=found), unscored=unscored_unless(~too_short), evidence=pl.col("found")
        )

    def judge(answer: str) -> str | None:
        # A text this long, or with so many blanks, has enough n-grams, whichever they are.
        is_long = len(answer) > 16 * (least_grams + 3) or answer.count(" ") > least_grams + 3
        if is_long and not may_repeat(answer):
            return None
        found = tokens(answer)
        if found.count < least_grams:
            return NOT_APPLICABLE
        # Every word stands in an n-gram of its own, or in one of the last places: so many words, no loop.
        if len(set(found.units)) > len(found.units) * (1 - duplicate_ratio) + found.size:
            return None
        ratio = 1 - len(set(found.grams())) / found.count
        return f"{ratio:.2f} of {found.count} n-grams are repeats" if ratio > duplicate_ratio else None

    return Rule(
        name="repetition_loop",
        version="1.0.0",
        severity="critical",
        description="The answer repeats itself.",
        requires=("output_text", "body_state"),
        check=check,
        config=(("duplicate_ratio", duplicate_ratio), ("least_grams", least_grams)),
    )
