"""The answer is in another language than asked."""

import polars as pl

from evaluators.rules.asked_language import LANGUAGE_WORDS, OPEN, asked_language
from evaluators.rules.base import NOT_APPLICABLE, Rule, outcome, rows_where, unscored_unless
from evaluators.rules.language import are_alike, detect, letters, obvious, sample

PROMPT_LIMIT = 4_000


def language_mismatch(*, least_letters: int = 24, least_probability: float = 0.7) -> Rule:
    """Fails: the answer's language is another than the prompt (or system text) asks for outright, else
    another than the prompt's own. Languages that are hard to tell apart count as one.

    Unscored (not_applicable): no text; code; fewer than `least_letters` letters of prose (a third of it in
    Han, Kana and Hangul); a prompt that talks of languages or translation without a clear demand; a prompt
    or an answer whose language the model gives less than `least_probability`.
    """

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        samples = _samples(frame, least_letters=least_letters)
        found = rows_where(
            samples,
            pl.col("text_gap").is_null() & pl.col("is_long_enough"),
            columns=["expected", "question", "answer_language", "answer"],
            judge=judge,
        )
        skipped = (pl.col("found") == NOT_APPLICABLE).fill_null(value=False)
        return outcome(
            samples.with_columns(found=found),
            unscored=unscored_unless(pl.col("is_long_enough") & ~skipped),
            evidence=pl.col("found"),
        )

    def judge(expected: str | None, question: str | None, answered: str | None, answer: str) -> str | None:
        expected = expected or confident(question or "")
        language = answered or confident(answer)
        if expected in (None, OPEN) or language is None:
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
    """Samples of question and answer, and what is known of their languages without the model.

    `expected` is the language asked for outright, else an obvious language of the question; `open` where
    nothing can be expected; null where the model must tell.
    """
    prompt = pl.concat_str("system_text", "input_text", separator="\n", ignore_nulls=True)
    samples = frame.select(
        "text_gap",
        prompt=prompt.str.head(PROMPT_LIMIT),
        answer=sample(pl.col("answer")),
        question=sample(pl.col("input_text")),
    )
    mentioned = pl.col("prompt").str.contains_any(LANGUAGE_WORDS, ascii_case_insensitive=True)
    asked = rows_where(samples, mentioned, columns=["prompt"], judge=asked_language)
    return samples.with_columns(asked=asked).with_columns(
        is_long_enough=letters(pl.col("answer")) >= least_letters,
        answer_language=obvious(pl.col("answer")),
        expected=pl.coalesce(
            "asked",
            pl.when(letters(pl.col("question")) < least_letters).then(pl.lit(OPEN)),
            obvious(pl.col("question")),
        ),
    )
