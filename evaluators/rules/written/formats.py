"""Building blocks: lists, headings, highlights, titles, JSON, one of some answers."""

from typing import Annotated

import msgspec
import polars as pl

from evaluators.rules.json_text import TooDeepError, parse_json
from evaluators.rules.written.arguments import Arguments, Count, Keyword, Nothing, Phrase
from evaluators.rules.written.keywords import escaped
from evaluators.rules.written.looks import (
    TEXT,
    Look,
    by_call,
    fails,
    not_evaluable,
    relation_of,
    unless_counted,
)

_BULLETS = {"ja": (r"(?m)^\s*・[^・]",)}
_TITLES = {"ja": r"『[^\n]*[^\s『』\n][^\n]*』", "fr": r"##[^\n]*[^\s#][^\n]*##"}
_ANSWERS = {
    "en": ("My answer is yes.", "My answer is no.", "My answer is maybe."),
    "es": ("Sí.", "No.", "Tal vez.", "Quizás.", "Quizá."),
    "fr": ("Oui.", "Non.", "Peut-être."),
    "ja": ("はい", "いいえ", "どちらとも言えません"),
}


class Bullets(Arguments, frozen=True):
    """How many bullet points."""

    num_bullets: Count
    relation: str = "exactly"


class Items(Arguments, frozen=True):
    """How many numbered items."""

    num_items: Count
    relation: str = "exactly"


class Highlights(Arguments, frozen=True):
    """How many highlighted places."""

    num_highlights: Count
    relation: str = "at least"


class Sections(Arguments, frozen=True):
    """How many sections, and the word before their numbers."""

    section_spliter: Keyword
    num_sections: Count
    relation: str = "at least"


class Answers(Arguments, frozen=True):
    """The answers to choose from; those of M-IFEval by language if none are given."""

    options: Annotated[tuple[Phrase, ...], msgspec.Meta(max_length=100)] = ()


class Endings(Arguments, frozen=True):
    """How many sentences end in a noun."""

    count: Count
    relation: str = "at least"


def bullets(given: Bullets, *, language: str) -> Look:
    """Lines that start with * or - (with ・ in Japanese)."""
    patterns = _BULLETS.get(language, (r"(?m)^\s*\*[^*]", r"(?m)^\s*-"))
    count = pl.sum_horizontal(pl.col(TEXT).str.count_matches(pattern) for pattern in patterns)
    relation = relation_of(given.relation, field="arguments.relation")
    return unless_counted(count, relation=relation, n=given.num_bullets, what="bullet points")


def numbered_items(given: Items, *, language: str) -> Look:
    """Lines that start with a number and a full stop."""
    count = pl.col(TEXT).str.count_matches(r"(?m)^\s*\d+\.\s")
    relation = relation_of(given.relation, field="arguments.relation")
    return unless_counted(count, relation=relation, n=given.num_items, what="numbered items")


def highlights(given: Highlights, *, language: str) -> Look:
    """Places between asterisks, single or double (《》 in Japanese), that hold more than blanks."""
    if language == "ja":
        count = _filled(r"《[^\n《》]*》", marks="《》")
    else:
        # A double asterisk opens and closes an empty single one, which does not count.
        count = _filled(r"\*[^\n*]*\*", marks="*") + _filled(r"\*\*[^\n*]*\*\*", marks="*")
    relation = relation_of(given.relation, field="arguments.relation")
    return unless_counted(count, relation=relation, n=given.num_highlights, what="highlighted places")


def sections(given: Sections, *, language: str) -> Look:
    """Headings such as `SECTION 1` (第1章 in Japanese)."""
    word = escaped(given.section_spliter.strip())
    pattern = rf"第[\d０-９]+{word}" if language == "ja" else rf"{word}\s?\d+"
    relation = relation_of(given.relation, field="arguments.relation")
    count = pl.col(TEXT).str.count_matches(pattern)
    return unless_counted(count, relation=relation, n=given.num_sections, what="sections")


def json_format(given: Nothing, *, language: str) -> Look:
    """The whole text is JSON (RFC 8259), within one code fence or without."""
    found, derived = by_call(_json_problem, TEXT)
    return Look(found, derived)


def title(given: Nothing, *, language: str) -> Look:
    """The text has a title in double angle brackets (between ## in French, in 『』 in Japanese)."""
    pattern = _TITLES.get(language, r"<<[^\n]*[^\s<>][^\n]*>>")
    return fails(~pl.col(TEXT).str.contains(pattern), "no title")


def constrained_response(given: Answers, *, language: str) -> Look:
    """The text holds one of the answers, to the letter."""
    options = list(given.options or _ANSWERS.get(language, _ANSWERS["en"]))
    return fails(~pl.col(TEXT).str.contains_any(options), "none of the answers to choose from")


def nominal_endings(given: Endings, *, language: str) -> Look:
    """Japanese sentences that end in a noun, told by a Kanji or Katakana before the mark."""
    text = pl.col(TEXT).str.replace_all("「.*?」", "").str.replace_all("『.*?』", "")
    count = text.str.count_matches(r"[\p{Han}\p{Katakana}ー々][。！？]")
    relation = relation_of(given.relation, field="arguments.relation")
    return unless_counted(count, relation=relation, n=given.count, what="sentences that end in a noun")


def _filled(pattern: str, *, marks: str) -> pl.Expr:
    inside = pl.element().str.strip_chars(marks).str.strip_chars()
    found = pl.col(TEXT).str.extract_all(pattern)
    return found.list.eval(inside.str.len_bytes() > 0).list.sum().cast(pl.Int64)


def _json_problem(text: str) -> str | None:
    try:
        return parse_json(text).problem
    except TooDeepError:
        return not_evaluable()
