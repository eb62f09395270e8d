"""The model declines to do what it was asked."""

import re

import polars as pl

from evaluators.rules.base import Rule, outcome, rows_where, unscored_unless
from evaluators.rules.refusal_phrases import REFUSES, STEMS

# A refusal stands in the first sentences; later on the same words are advice or a quotation.
WINDOW = 240

# OpenAI `content_filter`; Anthropic `refusal`; Gemini's filters.
FILTER_REASONS = (
    "content_filter",
    "refusal",
    "safety",
    "prohibited_content",
    "blocklist",
    "recitation",
    "spii",
    "model_armor",
    "guardrail_intervened",
)

_REFUSES = re.compile(REFUSES)

_MARKUP = re.compile(r"[*_]|\A[#>\s-]+")
_APOSTROPHES = str.maketrans("’ʼ`", "'''")

# "As an AI I cannot feel. However, …" is modesty before an answer; an apology in its place is not.
_MODEST = re.compile(r"(?i)as an? (?:ai|language model|large language)")
_YET = re.compile(r"(?i)\b(?:however|nevertheless|that said|but i can|if i (?:were|could|had))\b")


def refusal() -> Rule:
    """Fails: the provider's filter stopped the answer, or its first sentences decline the request, in
    English, Korean, Japanese, Chinese, Spanish, French or German.

    Only the beginning of the answer is read, and not past a quotation mark, so that an answer that quotes or
    discusses a refusal passes. "I'm sorry, I can't do X, but here is Y" counts; "as an AI I can't feel;
    however, …" does not. Unscored: no text. The evidence is the end of the refusing phrase.
    """
    return Rule(
        name="refusal",
        version="1.0.0",
        severity="warning",
        description="The model, or its provider's filter, declines the request.",
        requires=("output_text", "finish_reason", "body_state"),
        check=_check,
        config=(("window", WINDOW),),
    )


def _check(frame: pl.DataFrame) -> pl.DataFrame:
    reason = pl.col("finish_reason").str.to_lowercase()
    filtered = reason.is_in(FILTER_REASONS).fill_null(value=False)
    started = frame.with_columns(start=pl.col("answer").str.head(WINDOW))
    phrase = rows_where(
        started,
        pl.col("start").str.contains_any(STEMS, ascii_case_insensitive=True),
        columns=["start"],
        judge=_refusing_phrase,
    )
    return outcome(
        started.with_columns(phrase=phrase),
        unscored=pl.when(~filtered).then(unscored_unless(pl.col("answer").is_not_null())),
        evidence=pl.when(filtered).then(pl.format("finish reason {}", reason)).otherwise(pl.col("phrase")),
    )


def _refusing_phrase(text: str) -> str | None:
    start = " ".join(_MARKUP.sub("", text).translate(_APOSTROPHES).split())
    found = _REFUSES.match(start)
    if found is None or (_MODEST.match(start) and _YET.search(start, found.end())):
        return None
    return found.group()[-60:]
