"""The answer is in another language than asked."""

import polars as pl

from evaluators.rules.asked_language import LANGUAGE_WORDS, OPEN, asked_language
from evaluators.rules.base import NOT_APPLICABLE, Rule, outcome, rows_where, unscored_unless
from evaluators.rules.language import are_alike, detect, obvious, sample

PROMPT_LIMIT = 4_000


def language_mismatch(*, least_letters: int = 30, least_probability: float = 0.7) -> Rule:
    """Fails: the answer's language is another than the prompt (or system text) asks for outright, else
    another than the prompt's own. Languages that are hard to tell apart count as one.

    Unscored (not_applicable): no text; code; fewer than `least_letters` letters of prose (a third of it in Han,
    Kana and Hangul); a prompt that talks of languages or translation without a clear demand; a prompt or
    an answer whose language the model gives less than `least_probability`.
    """

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        samples = _samples(frame, least_letters=least_letters)
        found = rows_where(
            samples,
            pl.col("text_gap").is_null() & pl.col("is_long_enough"),
            columns=[
                "prompt",
                "answer",
                "answer_language",
                "question",
                "question_language",
                "is_asking",
                "is_language_mentioned",
            ],
            judge=judge,
        )
        skipped = (pl.col("found") == NOT_APPLICABLE).fill_null(value=False)
        return outcome(
            samples.with_columns(found=found),
            unscored=unscored_unless(pl.col("is_long_enough") & ~skipped),
            evidence=pl.col("found"),
        )

    def judge(
        prompt: str | None,
        answer: str,
        answer_language: str | None,
        question: str,
        question_language: str | None,
        is_asking: bool,
        is_language_mentioned: bool,
    ) -> str | None:
        asked = asked_language(prompt or "") if is_language_mentioned else None
        if asked == OPEN or (asked is None and not is_asking):
            return NOT_APPLICABLE
        expected = asked or question_language or confident(question)
        language = answer_language or confident(answer)
        if expected is None or language is None:
            return NOT_APPLICABLE
        return None if are_alike(expected, language) else f"asked for {expected}, answered in {language}"

    def confident(text: str) -> str | None:
        language, probability = detect(text)
        return language if probability >= least_probability else None

    return Rule(
        name="language_mismatch",
        version="1.0.0",
        severity="warning",
        description="The answer is in another language than asked.",
        requires=("output_text", "input_text", "request", "body_state"),
        check=check,
        config=(("least_letters", least_letters), ("least_probability", least_probability)),
    )


def _samples(frame: pl.DataFrame, *, least_letters: int) -> pl.DataFrame:
    prompt = pl.concat_str("system_text", "input_text", separator="\n", ignore_nulls=True).str.head(
        PROMPT_LIMIT
    )
    return frame.select(
        "text_gap", prompt=prompt, answer=sample(pl.col("answer")), question=sample(pl.col("input_text"))
    ).with_columns(
        answer_language=obvious(pl.col("answer")),
        question_language=obvious(pl.col("question")),
        is_long_enough=_letters("answer") >= least_letters,
        is_asking=_letters("question") >= least_letters,
        is_language_mentioned=pl.col("prompt")
        .str.contains_any(LANGUAGE_WORDS, ascii_case_insensitive=True)
        .fill_null(value=False),
    )


def _letters(column: str) -> pl.Expr:
    """Letters of a sample; a sign of Han, Kana or Hangul carries about as much as three Latin letters."""
    dense = pl.col(column).str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
    return (pl.col(column).str.len_chars() + 2 * dense).fill_null(0)
