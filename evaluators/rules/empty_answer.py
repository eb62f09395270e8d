"""The provider said the call went well, and there is nothing to read."""

import polars as pl

from evaluators.rules.base import Rule, outcome, unscored_unless

# A fence around nothing is nothing, too.
_EMPTY_FENCE = r"^```\w*\s*```$"


def empty_answer() -> Rule:
    """Fails: no visible character in the answer (blanks, control and format characters, an empty fence).

    Unscored: calls that failed or were cut off before any text, tool calls and embeddings (not_applicable);
    texts that were not kept (not_evaluable).
    """
    return Rule(
        name="empty_answer",
        version="1.0.0",
        severity="critical",
        description="The answer has no visible character.",
        requires=("output_text", "status", "http_status", "finish_reason", "body_state"),
        check=_check,
    )


def _check(frame: pl.DataFrame) -> pl.DataFrame:
    empty = pl.col("answer").is_null() | pl.col("answer").str.contains(_EMPTY_FENCE)
    length = pl.col("output_text").str.len_chars().fill_null(0)
    return outcome(
        frame,
        unscored=unscored_unless(~(pl.col("answer").is_null() & pl.col("is_tool_call"))),
        evidence=pl.when(empty).then(pl.format("{} characters, none of them visible", length)),
    )
