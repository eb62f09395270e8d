"""Building blocks: single signs that must or must not be there."""

import re
import unicodedata
from typing import Annotated

import msgspec
import polars as pl

from evaluators.rules.written.arguments import MOST_KEYWORDS, Arguments, Count, Keyword, Letter, Nothing
from evaluators.rules.written.keywords import escaped
from evaluators.rules.written.looks import TEXT, Look, by_call, fails, relation_of, unless_counted

_ACCENTED = "[àáâãäåçèéêëìíîïñòóôõöùúûüýÿÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖÙÚÛÜÝ]"
_KANJI = r"[\x{4E00}-\x{9FAF}]"
_HIRAGANA, _KATAKANA = "[ぁ-ゖ]", "[ァ-ヺｦ-ﾟ]"
_COMMAS = {"ja": "、"}
_WORD = re.compile(r"\b\w+\b")


class Limit(Arguments, frozen=True):
    """How many Kanji."""

    kanji_limit: Count
    relation: str = "at least"


class Accented(Arguments, frozen=True):
    """How many words with an accent."""

    num_words: Count
    relation: str = "at least"


class Lettered(Arguments, frozen=True):
    """How many words with the letter."""

    let_frequency: Count
    relation: str = "exactly"


class Forbidden(Arguments, frozen=True):
    """A letter that must not be there."""

    forbidden_char: Letter


class Spelled(Arguments, frozen=True):
    """Words without their accents, and as they must be spelled."""

    word_to_accentuate: Annotated[
        dict[Keyword, Keyword], msgspec.Meta(min_length=1, max_length=MOST_KEYWORDS)
    ]


def no_comma(given: Nothing, *, language: str) -> Look:
    """No comma (no 、 in Japanese)."""
    return _without(escaped(_COMMAS.get(language, ",")), "a comma")


def no_period(given: Nothing, *, language: str) -> Look:
    """No Japanese full stop."""
    return _without("。", "a full stop")


def question_marks(given: Nothing, *, language: str) -> Look:
    """A Spanish question, with both its marks."""
    return fails(~pl.col(TEXT).str.contains(r"¿[^?]*[^\s?¿][^?]*\?"), "no question in its marks")


def exclamation_marks(given: Nothing, *, language: str) -> Look:
    """A Spanish exclamation, with both its marks."""
    return fails(~pl.col(TEXT).str.contains(r"¡[^!]*[^\s!¡][^!]*!"), "no exclamation in its marks")


def tildes(given: Accented, *, language: str) -> Look:
    """So many Spanish words with an acute accent."""
    relation = relation_of(given.relation, field="arguments.relation")
    return unless_counted(
        _words_with("[áéíóúÁÉÍÓÚ]"), relation=relation, n=given.num_words, what="words with an accent"
    )


def enie(given: Lettered, *, language: str) -> Look:
    """So many words with ñ."""
    relation = relation_of(given.relation, field="arguments.relation")
    return unless_counted(_words_with("[ñÑ]"), relation=relation, n=given.let_frequency, what="words with ñ")


def dieresis(given: Lettered, *, language: str) -> Look:
    """So many words with ü."""
    relation = relation_of(given.relation, field="arguments.relation")
    return unless_counted(_words_with("[üÜ]"), relation=relation, n=given.let_frequency, what="words with ü")


def no_character(given: Forbidden, *, language: str) -> Look:
    """A letter that is not there, in either case."""
    return _without("(?i)" + escaped(given.forbidden_char), "the letter")


def no_accents(given: Nothing, *, language: str) -> Look:
    """No letter with an accent."""
    return _without(_ACCENTED, "an accent")


def accents(given: Spelled, *, language: str) -> Look:
    """Certain words, wherever they stand, have their right accents."""
    spelled = {wrong.lower(): right.lower() for wrong, right in given.word_to_accentuate.items()}

    def judge(text: str) -> str | None:
        for word in _WORD.findall(text.lower()):
            if spelled.get(_bare(word), word) != word:
                return "a word without its right accents"
        return None

    found, derived = by_call(judge, TEXT)
    return Look(found, derived)


def furigana(given: Nothing, *, language: str) -> Look:
    """Every run of Kanji has its reading behind it in （）."""
    with_reading = pl.col(TEXT).str.count_matches(_KANJI + "+（[ぁ-ん]+）")
    return fails(pl.col(TEXT).str.count_matches(_KANJI + "+") != with_reading, "Kanji without a reading")


def kanji(given: Limit, *, language: str) -> Look:
    """So many Kanji."""
    relation = relation_of(given.relation, field="arguments.relation")
    return unless_counted(
        pl.col(TEXT).str.count_matches(_KANJI), relation=relation, n=given.kanji_limit, what="Kanji"
    )


def no_hiragana(given: Nothing, *, language: str) -> Look:
    """No Hiragana."""
    return _without(_HIRAGANA, "Hiragana")


def no_katakana(given: Nothing, *, language: str) -> Look:
    """No Katakana."""
    return _without(_KATAKANA, "Katakana")


def hiragana_only(given: Nothing, *, language: str) -> Look:
    """No letter but Hiragana."""
    return _without(r"[\p{L}--[ぁ-んー]]", "another letter than Hiragana")


def katakana_only(given: Nothing, *, language: str) -> Look:
    """No letter but Katakana."""
    return _without(r"[\p{L}--[ァ-ンー・ｦ-ﾟ]]", "another letter than Katakana")


def _without(pattern: str, evidence: str) -> Look:
    return fails(pl.col(TEXT).str.contains(pattern), evidence)


def _words_with(letters: str) -> pl.Expr:
    return pl.col(TEXT).str.count_matches(rf"[\w-]*{letters}[\w-]*")


def _bare(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word)
    return "".join(sign for sign in decomposed if unicodedata.category(sign) != "Mn")
