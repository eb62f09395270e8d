"""Building blocks: how long a text is, and in how many parts."""

import polars as pl

from evaluators.rules.written.arguments import Arguments, Count, Keyword
from evaluators.rules.written.looks import TEXT, Look, relation_of, unless_counted
from evaluators.rules.written.words import not_blank, sentences, words


class Words(Arguments, frozen=True):
    """How many words."""

    num_words: Count
    relation: str = "at least"


class Sentences(Arguments, frozen=True):
    """How many sentences."""

    num_sentences: Count
    relation: str = "at least"


class Paragraphs(Arguments, frozen=True):
    """How many paragraphs, with `***` between two."""

    num_paragraphs: Count
    relation: str = "exactly"


class FirstWord(Arguments, frozen=True):
    """How many paragraphs, with an empty line between two, and how one of them starts."""

    num_paragraphs: Count
    nth_paragraph: Count
    first_word: Keyword


class Characters(Arguments, frozen=True):
    """How many characters."""

    num_letters: Count
    relation: str = "at least"


def number_words(given: Words, *, language: str) -> Look:
    """The text has so many words."""
    relation = relation_of(given.relation, field="arguments.relation")
    return unless_counted(words(pl.col(TEXT)), relation=relation, n=given.num_words, what="words")


def number_sentences(given: Sentences, *, language: str) -> Look:
    """The text has so many sentences."""
    relation = relation_of(given.relation, field="arguments.relation")
    count = sentences(pl.col(TEXT), language=language)
    return unless_counted(count, relation=relation, n=given.num_sentences, what="sentences")


def number_letters(given: Characters, *, language: str) -> Look:
    """The text has so many characters."""
    relation = relation_of(given.relation, field="arguments.relation")
    count = pl.col(TEXT).str.len_chars()
    return unless_counted(count, relation=relation, n=given.num_letters, what="characters")


def number_paragraphs(given: Paragraphs, *, language: str) -> Look:
    """The dividers `***` make so many paragraphs, none of them empty but before the first divider and after
    the last."""
    relation = relation_of(given.relation, field="arguments.relation")
    parts = pl.col(TEXT).str.split("***").list.eval(pl.element().str.strip_chars())
    n_filled = parts.list.eval(pl.element().str.len_bytes() > 0).list.sum().cast(pl.Int64)
    n_empty_ends = (parts.list.first() == "").cast(pl.Int64) + (parts.list.last() == "").cast(pl.Int64)
    has_gap = parts.list.len().cast(pl.Int64) - n_filled > n_empty_ends
    look = unless_counted(n_filled, relation=relation, n=given.num_paragraphs, what="paragraphs")
    return Look(pl.when(has_gap).then(pl.lit("an empty paragraph")).otherwise(look.found))


def first_word(given: FirstWord, *, language: str) -> Look:
    """There are exactly so many paragraphs, and one of them starts with the word, or with the words."""
    parts = pl.col(TEXT).str.split("\n\n")
    count = not_blank(parts).list.len()
    number = unless_counted(count, relation="exactly", n=given.num_paragraphs, what="paragraphs")
    paragraph = parts.list.get(max(given.nth_paragraph, 1) - 1, null_on_oob=True).str.strip_chars()
    wanted = given.first_word.lower()
    if language == "ja":
        starts = paragraph.str.strip_chars_start("「").str.strip_chars_start("『").str.starts_with(wanted)
    elif len(wanted.split()) > 1:
        starts = paragraph.str.strip_chars_start("'\"").str.to_lowercase().str.starts_with(wanted)
    else:
        word = paragraph.str.extract(r"^'*\"*([^\s.,?!'\"]*)", 1).str.to_lowercase()
        starts = word == wanted
    wrong = pl.lit(f"paragraph {given.nth_paragraph} starts otherwise")
    return Look(pl.coalesce(number.found, pl.when(~starts.fill_null(value=False)).then(wrong)))
