"""A prompt's form: its words, without what varies from call to call. A pure function of the text.

Numbers, names, addresses, quotations and pasted text become marks. Names are told by their capitals: a
capitalised word that begins no sentence, a word with capitals inside it, a later sentence of nothing else.
Where most words are capitalised (a title, shouting) capitals say nothing. Scripts without capitals keep
their words; what varies in them is left to `evaluators.patterns.matching`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from evaluators.patterns.cutting import MARKS, UNSPACED, cut

MINER: Final = "1.0.0"
"""Raised whenever a text gets another form, or forms are matched otherwise: calls are then mined again."""

MARK: Final = "<*>"
TEXT: Final = "<text>"
MOST_WORDS: Final = 120
_LONG_LINE = 60
_LONGEST_HEAD = 40
_SHORT_HEAD = 12
_LONGEST_WORD = 40
_MOST_CAPITALISED = 0.8

_ALL_MARKS = frozenset([MARK, *(f"<{name}>" for name in MARKS)])
_TOKEN = re.compile(
    r"<(?:\*|" + "|".join(MARKS) + r")>"
    r"|[A-Za-z]{0,6}[0-9][0-9A-Za-z]*(?:[.,:/-][A-Za-z]{0,3}[0-9][0-9A-Za-z]*)*"
    r"|[^\W\d_]+(?:['’-][^\W\d_]+)*|[^\W_]+"
    r"|[.!?:;。\n]"
)
_STOPS = frozenset(".!?:;。\n")
_DIGIT = re.compile(r"\d")
_UNSPACED = re.compile(f"[{UNSPACED}]")
# Before these a full stop ends no sentence; short capitalised words (Dr., St., an initial) need no list.
_ABBREVIATIONS = "mr mrs ms dr st no vs e g i apt ul u av co inc"
_SHORTENED = frozenset(_ABBREVIATIONS.split())
# These hold the parts of one name or address together.
_JOINING = "de del della di da do dos das du des la le las los el y van der den von zu und et of and"
_PARTICLES = frozenset(_JOINING.split())


@dataclass(frozen=True, slots=True)
class _Sentence:
    """Words and marks up to a stop; `end` is the stop, empty at the end of the text."""

    tokens: list[str] = field(default_factory=list[str])
    end: str = ""


def form(text: str) -> str:
    """Lower-case words and marks with one space between them, at most some 120 of them.

    A line of more than 60 words is pasted text: only its beginning stays, up to a colon where one comes
    early. Two signs of an unspaced script count as a word. Never empty: without words it is `<*>`.
    """
    sentences = list(_sentences(cut(text)))
    is_cased = _capitals_tell(sentences)
    words: list[str] = []
    line: list[tuple[list[str], str]] = []
    is_first = True
    for sentence in sentences:
        line.append((_masked(sentence, is_cased=is_cased, is_first=is_first), sentence.end))
        is_first = is_first and not sentence.tokens
        if sentence.end in ("\n", ""):
            words += _shortened(line)
            line = []
    return " ".join(_joined(_head(_joined(words), most=MOST_WORDS))) or MARK


def weight(word: str) -> float:
    """How many words it counts for: one, or half of its signs where words are not spaced."""
    return 1.0 if word.isascii() else max(1.0, len(_UNSPACED.findall(word)) / 2)


def _sentences(text: str) -> Iterator[_Sentence]:
    tokens: list[str] = []
    for token in _TOKEN.findall(text):
        if token not in _STOPS:
            tokens.append(token)
        elif token != "." or not tokens or not _is_shortened(tokens[-1]):
            yield _Sentence(tokens, token)
            tokens = []
    yield _Sentence(tokens)


def _is_shortened(word: str) -> bool:
    return word in _SHORTENED or (len(word) <= 3 and word[0].isupper())


def _capitals_tell(sentences: Sequence[_Sentence]) -> bool:
    """Whether a capital is an exception in this text, and so the sign of a name."""
    words = [
        (word, position)
        for sentence in sentences
        for position, word in enumerate(sentence.tokens)
        if word[0].isalpha() and not _is_i(word) and word.lower() != word.upper()
    ]
    if len(words) >= 3 and all(word.isupper() for word, _ in words):
        return False
    later = [word[0].isupper() for word, position in words if position]
    return len(later) < 4 or sum(later) < _MOST_CAPITALISED * len(later)


def _masked(sentence: _Sentence, *, is_cased: bool, is_first: bool) -> list[str]:
    tokens = sentence.tokens
    # A label ("Question:") and the beginning of the prompt are no names, whatever their capitals.
    if is_cased and not is_first and sentence.end != ":" and _are_names(tokens):
        return [MARK]
    return [_word(token, starts=not number, is_cased=is_cased) for number, token in enumerate(tokens)]


def _word(token: str, *, starts: bool, is_cased: bool) -> str:
    if token in _ALL_MARKS:
        return token
    if _DIGIT.search(token) or (is_cased and _is_name(token, starts=starts)):
        return MARK
    if len(token) > _LONGEST_WORD:
        return MARK if token.isascii() else token[:_LONGEST_WORD].lower()
    return token.lower()


def _is_name(word: str, *, starts: bool) -> bool:
    inside = word[1:]
    return (not starts and word[0].isupper() and not _is_i(word)) or inside != inside.lower()


def _are_names(tokens: Sequence[str]) -> bool:
    """Whether there are words, and all of them capitalised but for particles between."""
    words = [token for token in tokens if token not in _ALL_MARKS and not _DIGIT.search(token)]
    return any(word[0].isupper() for word in words) and all(
        word[0].isupper() or word in _PARTICLES for word in words
    )


def _is_i(word: str) -> bool:
    return word == "I" or word.startswith(("I'", "I’"))


def _shortened(line: Sequence[tuple[list[str], str]]) -> list[str]:
    words = [word for sentence, _ in line for word in sentence]
    if sum(map(weight, words)) <= _LONG_LINE:
        return words
    head: list[str] = []
    for sentence, end in line:
        head += sentence
        if sum(map(weight, head)) > _LONGEST_HEAD:
            break
        if end == ":":
            return [*head, TEXT]
    return _head(words, most=_SHORT_HEAD)


def _head(words: Sequence[str], *, most: float) -> list[str]:
    """The first words that weigh no more than `most` together, and a mark where more follow."""
    total = 0.0
    for number, word in enumerate(words):
        total += weight(word)
        if number and total > most:
            return [*words[:number], TEXT]
    return list(words)


def _joined(words: Sequence[str]) -> list[str]:
    """Marks beside each other as one, with the particles between two names."""
    joined: list[str] = []
    for word in words:
        if word not in _ALL_MARKS:
            joined.append(word)
            continue
        n = 0
        while n < 2 and len(joined) > n + 1 and joined[-n - 1] in _PARTICLES:
            n += 1
        if word == MARK and n and joined[-n - 1] == MARK:
            del joined[-n:]
        if not joined or joined[-1] not in _ALL_MARKS:
            joined.append(word)
        elif joined[-1] != word:
            joined[-1] = TEXT if TEXT in (joined[-1], word) else MARK
    return joined
