"""JSON was asked for, and something else came."""

import polars as pl

from evaluators.rules.asked_json import asks_for_json
from evaluators.rules.base import NOT_APPLICABLE, NOT_EVALUABLE, Rule, outcome, rows_where
from evaluators.rules.json_text import TooDeepError, parse_json

_TOO_DEEP = "too deep"


def invalid_json() -> Rule:
    """Fails: JSON was asked for by the request's response format, or plainly in the prompt or system text,
    and the answer, freed of one surrounding code fence, does not parse (RFC 8259).

    Unscored: JSON was not asked for, the call is a tool call, failed or was cut off (not_applicable);
    the request was not kept and the prompt alone asks for no JSON, or the answer nests too deep to be
    parsed (not_evaluable).
    """
    return Rule(
        name="invalid_json",
        version="1.0.0",
        severity="critical",
        description="JSON was asked for and the answer does not parse.",
        requires=("output_text", "input_text", "request", "finish_reason", "status", "body_state"),
        check=_check,
    )


def _check(frame: pl.DataFrame) -> pl.DataFrame:
    asked = pl.col("asked_format").is_not_null() | asks_for_json()
    judged = frame.with_columns(
        asked=asked & ~pl.col("is_tool_call") & ~pl.col("is_cut_off") & ~pl.col("is_failed_call")
    )
    problem = rows_where(
        judged, pl.col("asked") & pl.col("text_gap").is_null(), columns=["answer"], judge=_problem
    )
    unknown = pl.col("request").is_null() | pl.col("is_request_broken")
    reason = (
        pl.when(pl.col("found") == _TOO_DEEP)
        .then(pl.lit(NOT_EVALUABLE))
        .when(~pl.col("asked"))
        .then(
            pl.when(unknown & ~pl.col("is_tool_call"))
            .then(pl.lit(NOT_EVALUABLE))
            .otherwise(pl.lit(NOT_APPLICABLE))
        )
    )
    return outcome(
        judged.with_columns(problem.alias("found")),
        unscored=pl.coalesce(pl.col("text_gap"), reason),
        evidence=pl.col("found"),
    )


def _problem(answer: str | None) -> str | None:
    if answer is None:
        return "empty answer"
    try:
        return parse_json(answer).problem
    except TooDeepError:
        return _TOO_DEEP
