"""The answer stops before its end."""

import polars as pl

from evaluators.rules.base import Rule, outcome, rows_where, unscored_unless
from evaluators.rules.json_text import open_brackets

# OpenAI chat `length`; OpenAI responses `max_output_tokens` and status `incomplete`; Anthropic and Bedrock
# `max_tokens`, `model_context_window_exceeded`; Gemini and Cohere `MAX_TOKENS`; Cohere `ERROR_LIMIT`;
# Mistral `model_length`; Hugging Face TGI `max_new_tokens`.
LENGTH_REASONS = (
    "length",
    "max_length",
    "max_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "incomplete",
    "model_length",
    "model_context_window_exceeded",
    "error_limit",
)

_FENCE_LINE = r"(?m)^[ \t]*(?:[-*>]|\d+\.)?[ \t]*```"
_JSON_START = r'^(?:```\w*\s*)?(?:\{\s*"|\[\s*[\[{"])'


def truncated() -> Rule:
    """Fails: the finish reason says a limit was reached; or, whatever it says, the answer opens a code fence
    or is a JSON text and does not close it.

    Unscored: no text, or the call failed or was cut off on the way, which is `error`'s finding
    (not_applicable); the text was not kept and the finish reason is unknown (not_evaluable).
    """
    return Rule(
        name="truncated",
        version="1.0.0",
        severity="warning",
        description="The answer stops before its end.",
        requires=("output_text", "finish_reason", "status", "body_state"),
        check=_check,
        config=(("length_reasons", ",".join(LENGTH_REASONS)),),
    )


def _check(frame: pl.DataFrame) -> pl.DataFrame:
    reason = pl.col("finish_reason").str.to_lowercase()
    by_reason = reason.is_in(LENGTH_REASONS).fill_null(value=False)
    open_fence = (pl.col("answer").str.count_matches(_FENCE_LINE) % 2 == 1).fill_null(value=False)
    structure = rows_where(
        frame, pl.col("answer").str.contains(_JSON_START), columns=["answer"], judge=_open_json
    )
    evidence = (
        pl.when(by_reason)
        .then(pl.format("finish reason {}", reason))
        .when(open_fence)
        .then(pl.lit("a code fence is not closed"))
        .otherwise(pl.col("structure"))
    )
    applies = pl.col("answer").is_not_null() & ~pl.col("is_cut_off") & ~pl.col("is_failed_call")
    return outcome(
        frame.with_columns(structure=structure),
        unscored=pl.when(~by_reason).then(unscored_unless(applies)),
        evidence=evidence,
    )


def _open_json(answer: str) -> str | None:
    levels = open_brackets(answer)
    return f"{levels} JSON brackets are not closed" if levels > 0 else None
