"""What several rules need of a call, derived once for a frame of calls."""

import polars as pl

from evaluators.rules.base import NOT_APPLICABLE, NOT_EVALUABLE
from evaluators.rules.requests import asked_by_request

INPUT_SCHEMA: dict[str, pl.DataType] = {
    "call_id": pl.String(),
    "started_at": pl.Datetime("us", "UTC"),
    "endpoint": pl.String(),
    "status": pl.String(),
    "http_status": pl.Int32(),
    "error_type": pl.String(),
    "finish_reason": pl.String(),
    "latency_ms": pl.Float64(),
    "ttft_ms": pl.Float64(),
    "is_streamed": pl.Boolean(),
    "body_state": pl.String(),
    "input_text": pl.String(),
    "output_text": pl.String(),
    "request": pl.Binary(),
}

# Control, format and filler characters that render as nothing (Unicode 15: general categories C and Z,
# U+115F, U+1160, U+3164 and U+FFA0 Hangul fillers, U+2800 braille blank, U+FE0F variation selector).
INVISIBLE = r"[\s\p{C}\p{Z}\x{115F}\x{1160}\x{3164}\x{FFA0}\x{2800}\x{FE0F}]"

TOOL_CALL_REASONS = ("tool_calls", "tool_call", "tool_use", "function_call", "unexpected_tool_call")


def prepare(frame: pl.DataFrame) -> pl.DataFrame:
    """The input columns (null where absent) and what the rules derive from them, one row a call.

    Adds `answer` (the output without surrounding blanks, null where nothing visible), `is_failed_call`,
    `is_cut_off`, `is_tool_call`, `text_gap` (why no text rule can judge the call, null where one can) and
    the columns of `evaluators.rules.requests.asked_by_request`.
    """
    typed = _typed(frame).with_columns(
        answer=pl.when(pl.col("output_text").str.contains(r"[^" + INVISIBLE[1:])).then(
            pl.col("output_text").str.strip_chars()
        ),
        is_failed_call=(pl.col("status") == "error").fill_null(value=False)
        | (pl.col("http_status") >= 400).fill_null(value=False),
        is_cut_off=pl.col("status").is_in(["interrupted", "client_gone"]).fill_null(value=False),
        is_tool_call=pl.col("finish_reason")
        .str.to_lowercase()
        .is_in(TOOL_CALL_REASONS)
        .fill_null(value=False),
    )
    return pl.concat(
        [typed.with_columns(text_gap=_text_gap()), asked_by_request(typed["request"])], how="horizontal"
    )


def _typed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in INPUT_SCHEMA.items()
    )


def _text_gap() -> pl.Expr:
    answerless = pl.col("answer").is_null()
    return (
        pl.when(pl.col("endpoint").str.contains("embeddings", literal=True))
        .then(pl.lit(NOT_APPLICABLE))
        .when(answerless & (pl.col("is_failed_call") | pl.col("is_cut_off")))
        .then(pl.lit(NOT_APPLICABLE))
        .when(pl.col("body_state").is_in(["none", "shed", "masked"]))
        .then(pl.lit(NOT_EVALUABLE))
        .when(pl.col("body_state").is_null() & pl.col("output_text").is_null())
        .then(pl.lit(NOT_EVALUABLE))
    )
