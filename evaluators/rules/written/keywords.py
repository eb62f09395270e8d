"""Building blocks: words and letters that must, or must not, stand in a text."""

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec
import polars as pl

from evaluators.rules.written.arguments import MOST_KEYWORDS, Arguments, Count, Keyword, Letter
from evaluators.rules.written.looks import TEXT, Look, relation_of, unless_counted

Keywords = Annotated[tuple[Keyword, ...], msgspec.Meta(min_length=1, max_length=MOST_KEYWORDS)]

# ぁ (U+3041) and ァ (U+30A1): the two syllabaries lie this far apart.
_KATAKANA = ord("ァ") - ord("ぁ")


class Existing(Arguments, frozen=True):
    """Words that must all be there, in any case."""

    keywords: Keywords


class Frequency(Arguments, frozen=True):
    """How often a word must be there, in any case."""

    keyword: Keyword
    frequency: Count
    relation: str = "at least"


class Forbidden(Arguments, frozen=True):
    """Words that must not be there, in any case, as whole words."""

    forbidden_words: Keywords


class Letters(Arguments, frozen=True):
    """How often a letter must be there, in any case."""

    letter: Letter
    let_frequency: Count
    let_relation: str = "at least"


def existence(given: Existing, *, language: str) -> Look:
    """All keywords stand in the text."""
    missing = [
        pl.when(~pl.col(TEXT).str.contains(_any_case(keyword))).then(pl.lit(keyword))
        for keyword in given.keywords
    ]
    return Look(_listed("missing: ", missing))


def frequency(given: Frequency, *, language: str) -> Look:
    """A keyword stands in the text so many times."""
    count = pl.col(TEXT).str.count_matches(_any_case(given.keyword))
    relation = relation_of(given.relation, field="arguments.relation")
    return unless_counted(count, relation=relation, n=given.frequency, what="times the keyword")


def forbidden_words(given: Forbidden, *, language: str) -> Look:
    """None of the words stands in the text; in Japanese, where words are not spaced, not even within one."""
    found = [
        pl.when(pl.col(TEXT).str.contains(_whole_word(word, language=language))).then(pl.lit(word))
        for word in given.forbidden_words
    ]
    return Look(_listed("found: ", found))


def letter_frequency(given: Letters, *, language: str) -> Look:
    """A letter stands in the text so many times; a kana counts in both syllabaries."""
    letter = given.letter.lower()
    text = pl.col(TEXT).str.to_lowercase()
    count = text.str.count_matches(letter, literal=True)
    if language == "ja" and "ぁ" <= letter <= "ん":
        count = count + text.str.count_matches(chr(ord(letter) + _KATAKANA), literal=True)
    relation = relation_of(given.let_relation, field="arguments.let_relation")
    return unless_counted(count, relation=relation, n=given.let_frequency, what="times the letter")


def _any_case(keyword: str) -> str:
    return "(?i)" + escaped(keyword)


def _whole_word(word: str, *, language: str) -> str:
    pattern = escaped(word)
    if language == "ja":
        return "(?i)" + pattern
    start = r"\b" if re.match(r"\w", word) else ""
    end = r"\b" if re.search(r"\w\Z", word) else ""
    return f"(?i){start}{pattern}{end}"


def escaped(text: str) -> str:
    """A text as a pattern that matches exactly it."""
    return re.sub(r"([\\.+*?()|\[\]{}^$#&~-])", r"\\\1", text)


def _listed(start: str, names: Sequence[pl.Expr]) -> pl.Expr:
    joined = pl.concat_str(names, separator=", ", ignore_nulls=True)
    return pl.when(joined.str.len_bytes() > 0).then(pl.lit(start) + joined)
