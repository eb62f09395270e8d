"""Building block: the language of a text."""

from typing import Annotated

import msgspec
import polars as pl

from evaluators.rules.base import NOT_APPLICABLE
from evaluators.rules.language import are_alike, detect, letters, obvious, sample
from evaluators.rules.written.arguments import Arguments
from evaluators.rules.written.looks import TEXT, TOO_SLOW, UNSCORED, Clock, Derived, Look

_LEAST_LETTERS = 12


class Language(Arguments, frozen=True):
    """An ISO 639-1 code, and how sure one must be of another language."""

    language: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}\Z")]
    least_probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5


def response_language(given: Language, *, language: str) -> Look:
    """The text is in the language, or in one too close to be told apart. Too little prose, or a language that
    the model is not sure of, is not applicable."""

    def run(frame: pl.DataFrame, clock: Clock) -> pl.Series:
        samples = frame.select(sample=sample(pl.col(TEXT))).with_columns(
            known=obvious(pl.col("sample")), n_letters=letters(pl.col("sample"))
        )
        found = [
            UNSCORED + TOO_SLOW if clock.is_over else judge(text, known, n_letters)
            for text, known, n_letters in samples.iter_rows()
        ]
        return pl.Series("other", found, dtype=pl.String)

    def judge(text: str, known: str | None, n_letters: int) -> str | None:
        if n_letters < _LEAST_LETTERS:
            return UNSCORED + NOT_APPLICABLE
        code, probability = (known, 1.0) if known else detect(text)
        if are_alike(code, given.language):
            return None
        if probability < given.least_probability:
            return UNSCORED + NOT_APPLICABLE
        return f"in {code}, not in {given.language}"

    return Look(pl.col("other"), (Derived("other", run),))
