"""The request carried a JSON schema, and the answer breaks it."""

import polars as pl

from evaluators.rules.base import NOT_APPLICABLE, NOT_EVALUABLE, Rule, outcome
from evaluators.rules.json_text import TooDeepError, parse_json
from evaluators.rules.schemas import SchemaError, Validator, compile_schema

_UNSCORED = "\0"


def json_schema() -> Rule:
    """Fails: the answer, freed of one code fence, is JSON that violates the schema of the request
    (OpenAI `response_format` and `text.format`, Anthropic `output_config`, Gemini `responseJsonSchema`,
    Ollama `format`).

    Unscored: no schema was sent, or the answer is no JSON at all, which is `invalid_json`'s finding
    (not_applicable); the request was not kept, or its schema is malformed, points to another document, or
    could take more than a bounded time (not_evaluable). Nothing is ever fetched.
    """
    return Rule(
        name="json_schema",
        version="1.0.0",
        severity="critical",
        description="The answer violates the JSON schema of its request.",
        requires=("output_text", "request", "finish_reason", "status", "body_state"),
        check=_check,
    )


def _check(frame: pl.DataFrame) -> pl.DataFrame:
    asked = (
        (pl.col("asked_format") == "json_schema").fill_null(value=False)
        & ~pl.col("is_tool_call")
        & ~pl.col("is_cut_off")
        & ~pl.col("is_failed_call")
    )
    judged = frame.with_columns(asked=asked, found=pl.Series(_findings(frame, asked=asked), dtype=pl.String))
    found, request = pl.col("found"), pl.col("request")
    unscored = (
        pl.when(found.str.starts_with(_UNSCORED))
        .then(found.str.strip_prefix(_UNSCORED))
        .when(pl.col("is_request_broken") | (request.is_null() & ~pl.col("is_tool_call")))
        .then(pl.lit(NOT_EVALUABLE))
        .when(~pl.col("asked"))
        .then(pl.lit(NOT_APPLICABLE))
    )
    return outcome(judged, unscored=pl.coalesce(pl.col("text_gap"), unscored), evidence=found)


def _findings(frame: pl.DataFrame, *, asked: pl.Expr) -> list[str | None]:
    picked = frame.lazy().with_row_index("row_number").filter(asked & pl.col("text_gap").is_null())
    rows = picked.select("row_number", "answer", "asked_schema").collect()
    validators: dict[bytes | None, Validator | None] = {}
    findings: list[str | None] = [None] * frame.height
    for number, answer, schema in rows.iter_rows():
        if schema not in validators:
            validators[schema] = _compile(schema)
        findings[number] = _finding(answer, validator=validators[schema])
    return findings


def _compile(schema: bytes | None) -> Validator | None:
    try:
        return compile_schema(schema or b"")
    except SchemaError:
        return None


def _finding(answer: str | None, *, validator: Validator | None) -> str | None:
    if validator is None:
        return _UNSCORED + NOT_EVALUABLE
    try:
        parsed = parse_json(answer or "")
        if parsed.problem is not None:
            return _UNSCORED + NOT_APPLICABLE
        return validator.violation(parsed.value)
    except (TooDeepError, SchemaError):
        return _UNSCORED + NOT_EVALUABLE
