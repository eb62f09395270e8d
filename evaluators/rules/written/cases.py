"""Building blocks: capitals and small letters."""

import polars as pl

from evaluators.rules.language import are_alike, detect, obvious, sample
from evaluators.rules.written.arguments import Arguments, Count, Nothing
from evaluators.rules.written.looks import TEXT, Clock, Derived, Look, relation_of, unless_counted

# Words with their hyphens and inner full stops, as in X-RAY and U.S.
_WORD = r"[\p{L}\p{N}_]+(?:[-.][\p{L}\p{N}_]+)*"
_LEAST_PROBABILITY = 0.7


class CapitalWords(Arguments, frozen=True):
    """How many words in capitals."""

    capital_frequency: Count
    capital_relation: str = "at least"


def capital_words(given: CapitalWords, *, language: str) -> Look:
    """The text has so many words all of whose letters are capitals; "I" and "A" are such words."""
    word = pl.element()
    is_capital = word.str.contains(r"\p{Uppercase}") & ~word.str.contains(r"[\p{Lowercase}\p{Lt}]")
    count = pl.col(TEXT).str.extract_all(_WORD).list.eval(is_capital).list.sum()
    relation = relation_of(given.capital_relation, field="arguments.capital_relation")
    return unless_counted(count, relation=relation, n=given.capital_frequency, what="words in capitals")


def all_capitals(given: Nothing, *, language: str) -> Look:
    """The text is in capitals, and in the language."""
    is_so = ~pl.col(TEXT).str.contains(r"[\p{Lowercase}\p{Lt}]") & pl.col(TEXT).str.contains(r"\p{Uppercase}")
    return _in_language(is_so, "a small letter, or no letter", language=language)


def all_lowercase(given: Nothing, *, language: str) -> Look:
    """The text is in small letters, and in the language."""
    is_so = ~pl.col(TEXT).str.contains(r"[\p{Uppercase}\p{Lt}]") & pl.col(TEXT).str.contains(r"\p{Lowercase}")
    return _in_language(is_so, "a capital, or no letter", language=language)


def _in_language(is_so: pl.Expr, evidence: str, *, language: str) -> Look:
    """A language counts against a text only where it is surely another."""

    def run(frame: pl.DataFrame, clock: Clock) -> pl.Series:
        samples = frame.select(is_so=is_so, sample=sample(pl.col(TEXT))).with_columns(
            known=obvious(pl.col("sample"))
        )
        others = [
            _other(text, known=known, language=language) if right and not clock.is_over else None
            for right, text, known in samples.iter_rows()
        ]
        return pl.Series("other", others, dtype=pl.String)

    found = pl.when(~is_so).then(pl.lit(evidence)).otherwise(pl.col("other"))
    return Look(found, (Derived("other", run),))


def _other(text: str, *, known: str | None, language: str) -> str | None:
    code, probability = (known, 1.0) if known else detect(text)
    is_other = probability >= _LEAST_PROBABILITY and not are_alike(code, language)
    return f"in {code}, not in {language}" if is_other else None
