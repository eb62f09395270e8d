"""The answer is in another language than asked."""

import polars as pl

from evaluators.rules.asked_language import OPEN, asked_language
from evaluators.rules.base import NOT_APPLICABLE, Rule, outcome, unscored_unless
from evaluators.rules.language import are_alike, detect, sample

PROMPT_LIMIT = 4_000

_UNSCORED = "\0"


def language_mismatch(*, least_letters: int = 30, least_probability: float = 0.7) -> Rule:
    """Fails: the answer's language is another than the prompt (or system text) asks for outright, else
    another than the prompt's own. Languages that are hard to tell apart count as one.

    Unscored (not_applicable): no text; code; fewer than `least_letters` letters of prose (a third of it in Han,
    Kana and Hangul); a prompt that talks of languages or translation without a clear demand; a prompt or
    an answer whose language the model gives less than `least_probability`.
    """

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        samples = frame.select(
            "text_gap",
            prompt=pl.concat_str("system_text", "input_text", separator="\n", ignore_nulls=True).str.head(
                PROMPT_LIMIT
            ),
            answer=sample(pl.col("answer")),
            question=sample(pl.col("input_text")),
        ).with_columns(
            is_long_enough=_letters("answer") >= least_letters,
            is_asking=_letters("question") >= least_letters,
        )
        found = [
            None if row[0] is not None or not row[4] else judge(*row[1:4], row[5])
            for row in samples.iter_rows()
        ]
        applies = frame.with_columns(samples["is_long_enough"], pl.Series("found", found, dtype=pl.String))
        skipped = pl.col("found").str.starts_with(_UNSCORED).fill_null(value=False)
        return outcome(
            applies, unscored=unscored_unless(pl.col("is_long_enough") & ~skipped), evidence=pl.col("found")
        )

    def judge(prompt: str, answer: str, question: str | None, is_asking: bool | None) -> str | None:
        asked = asked_language(prompt)
        if asked == OPEN or (asked is None and not is_asking):
            return _UNSCORED + NOT_APPLICABLE
        expected = asked or _confident(question or "")
        language = _confident(answer)
        if expected is None or language is None:
            return _UNSCORED + NOT_APPLICABLE
        return None if are_alike(expected, language) else f"asked for {expected}, answered in {language}"

    def _confident(text: str) -> str | None:
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


def _letters(column: str) -> pl.Expr:
    """Letters of a sample; a sign of Han, Kana or Hangul carries about as much as three Latin letters."""
    dense = pl.col(column).str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
    return (pl.col(column).str.len_chars() + 2 * dense).fill_null(0)
