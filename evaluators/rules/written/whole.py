"""Building blocks: how a text as a whole starts, ends, is wrapped and repeated."""

import polars as pl

from evaluators.rules.written.arguments import Arguments, Nothing, Phrase
from evaluators.rules.written.looks import TEXT, Look, fails

_QUOTES = {
    "fr": (('"', '"'), ("'", "'"), ("«", "»")),
    "ja": (("「", "」"),),
}


class End(Arguments, frozen=True):
    """The last words."""

    end_phrase: Phrase


class Start(Arguments, frozen=True):
    """The first words."""

    start_phrase: Phrase


class Repeat(Arguments, frozen=True):
    """What is to be repeated first; the prompt itself if nothing is given."""

    prompt_to_repeat: Phrase | None = None


class Ending(Arguments, frozen=True):
    """What every sentence ends with."""

    ending: Phrase


def end_phrase(given: End, *, language: str) -> Look:
    """The text ends with the phrase, in any case, but for blanks and closing quotes."""
    quotes, phrase = ("」』", given.end_phrase.strip().strip("」』")) if language == "ja" else ('"', None)
    text = pl.col(TEXT).str.strip_chars().str.strip_chars(quotes)
    wanted = (given.end_phrase.strip() if phrase is None else phrase).lower()
    return fails(~text.str.to_lowercase().str.ends_with(wanted), "another end")


def start_phrase(given: Start, *, language: str) -> Look:
    """The text starts with the phrase, in any case, but for blanks and opening quotes."""
    text = pl.col(TEXT).str.strip_chars().str.strip_chars_start("\"'“‘«「『").str.to_lowercase()
    return fails(~text.str.starts_with(given.start_phrase.strip().lower()), "another start")


def quotation(given: Nothing, *, language: str) -> Look:
    """The text stands in quotes from end to end."""
    text = pl.col(TEXT).str.strip_chars()
    wrapped = [
        text.str.starts_with(opening) & text.str.ends_with(closing)
        for opening, closing in _QUOTES.get(language, (('"', '"'),))
    ]
    return fails(~(pl.any_horizontal(wrapped) & (text.str.len_chars() > 1)), "not within quotes")


def two_responses(given: Nothing, *, language: str) -> Look:
    """Two different answers with six asterisks between them."""
    parts = pl.col(TEXT).str.split("******").list.eval(pl.element().str.strip_chars())
    filled = parts.list.eval(pl.element().filter(pl.element().str.len_bytes() > 0))
    n_empty_ends = (parts.list.first() == "").cast(pl.Int64) + (parts.list.last() == "").cast(pl.Int64)
    n_filled = filled.list.len().cast(pl.Int64)
    has_gap = parts.list.len().cast(pl.Int64) - n_filled > n_empty_ends
    are_two = (n_filled == 2) & (filled.list.first() != filled.list.last())
    return fails(has_gap | ~are_two.fill_null(value=False), "not two different answers")


def repeat_prompt(given: Repeat, *, language: str) -> Look:
    """The text first repeats a prompt, word by word, in any case."""
    if given.prompt_to_repeat is None:
        prompt = pl.col("input_text").str.strip_chars().str.to_lowercase()
        requires = frozenset({"input_text"})
    else:
        prompt, requires = pl.lit(given.prompt_to_repeat.strip().lower()), frozenset[str]()
    starts = pl.col(TEXT).str.strip_chars().str.to_lowercase().str.starts_with(prompt)
    return Look(fails(~starts, "the prompt is not repeated first").found, requires=requires)


def unified_end(given: Ending, *, language: str) -> Look:
    """Every Japanese sentence ends the same way, quotations left out."""
    text = pl.col(TEXT).str.replace_all("「.*?」", "").str.replace_all("『.*?』", "")
    parts = text.str.replace_all("[！？]", "。").str.split("。")
    is_fine = (pl.element() == "") | pl.element().str.ends_with(given.ending)
    return fails(~parts.list.eval(is_fine).list.all(), "a sentence ends otherwise")
