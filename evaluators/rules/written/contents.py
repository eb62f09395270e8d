"""Building blocks: what a text must hold or not: placeholders, a postscript, digits, a form of address."""

import polars as pl

from evaluators.rules.written.arguments import Arguments, Count, Keyword, Nothing
from evaluators.rules.written.keywords import escaped
from evaluators.rules.written.looks import TEXT, Look, fails, relation_of, unless_counted

_POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
_INFORMAL = r"(?i)\b(?:tu|te|toi|ton|ta|tes)\b|\bt['’]\w"


class Placeholders(Arguments, frozen=True):
    """How many `[placeholders]`."""

    num_placeholders: Count
    relation: str = "at least"


class Postscript(Arguments, frozen=True):
    """What the postscript starts with."""

    postscript_marker: Keyword


def placeholders(given: Placeholders, *, language: str) -> Look:
    """The text has so many places in square brackets."""
    relation = relation_of(given.relation, field="arguments.relation")
    count = pl.col(TEXT).str.count_matches(r"\[.*?\]")
    return unless_counted(count, relation=relation, n=given.num_placeholders, what="placeholders")


def postscript(given: Postscript, *, language: str) -> Look:
    """The text has a postscript with its mark."""
    marker = given.postscript_marker.strip()
    pattern = _POSTSCRIPTS.get(marker) or escaped(marker)
    return fails(~pl.col(TEXT).str.contains("(?i)" + pattern), f"no {marker}")


def no_digits(given: Nothing, *, language: str) -> Look:
    """The text has no digit."""
    return fails(pl.col(TEXT).str.contains(r"\d"), "a digit")


def informal_address(given: Nothing, *, language: str) -> Look:
    """The text says tu (French)."""
    return fails(~pl.col(TEXT).str.contains(_INFORMAL), "nobody is addressed as tu")
