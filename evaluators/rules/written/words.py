"""Counting what a text is made of: words, sentences, paragraphs, lines."""

import polars as pl

_WORD = r"\w+"
# The end of a sentence: its mark, whatever closes with it, blanks, and what opens the next one. A small
# letter opens none ("e.g. this", "3.5 vs. 4").
_NEXT = r"[.!?…]+[\"'”’»)\]*_]*\s+[\"'“‘«(\[*_#>¿¡•-]*\s*[\p{Lu}\p{Lo}\p{N}]"
# What ends in a full stop and ends no sentence.
_ABBREVIATED = (
    r"\b(?:Mr|Mrs|Ms|Dr|Prof|Sr|Sra|Srta|Jr|St|vs|etc|No|Fig|Ph\.D|U\.S|e\.g|i\.e|p\.\s?ej|M|Mme|Mlle"
    r"|[A-Z])\.\s+[\p{Lu}\p{N}]"
)
# "1. First" is a number of a list.
_NUMBERED = r"(?m)^\s*(?:[*_#>-]*\s*)?\d+\.\s+[*_\"'“«¿¡(\[]*[\p{Lu}\p{Lo}\p{N}]"
_JAPANESE_END = r"[。！？!?\n]+"


def words(text: pl.Expr) -> pl.Expr:
    """Runs of letters, digits and underscores."""
    return text.str.count_matches(_WORD)


def sentences(text: pl.Expr, *, language: str = "en") -> pl.Expr:
    """Sentences, by the marks that end them. Japanese ones end with 。, ! or ? or with their line."""
    stripped = text.str.strip_chars()
    is_blank = stripped.str.len_bytes() == 0
    if language == "ja":
        ended = stripped.str.replace_all(_JAPANESE_END, "\n").str.strip_chars()
        count = ended.str.count_matches("\n", literal=True) + 1
    else:
        exceptions = stripped.str.count_matches(_ABBREVIATED) + stripped.str.count_matches(_NUMBERED)
        count = stripped.str.count_matches(_NEXT).cast(pl.Int64) - exceptions + 1
        count = pl.max_horizontal(count, pl.lit(1))
    return pl.when(is_blank).then(0).otherwise(count)


def paragraphs(text: pl.Expr) -> pl.Expr:
    """Blocks of text with an empty line between two."""
    parts = text.str.replace_all(r"\n[ \t]*\n\s*", "\n\n").str.strip_chars().str.split("\n\n")
    return not_blank(parts).list.len()


def lines(text: pl.Expr) -> pl.Expr:
    """Lines with something on them."""
    return text.str.count_matches(r"(?m)^.*\S.*$")


def not_blank(parts: pl.Expr) -> pl.Expr:
    """Of lists of texts those that are more than blanks, stripped."""
    stripped = pl.element().str.strip_chars()
    return parts.list.eval(stripped.filter(stripped.str.len_bytes() > 0))
