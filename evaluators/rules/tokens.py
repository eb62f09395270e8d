"""Words of a text for n-gram measures, with or without spaces between them."""

import re
from dataclasses import dataclass

# Beyond this, only the end is read: loops run to the end, and a megabyte must not cost a second.
TEXT_LIMIT = 100_000
CHARACTER_LIMIT = 20_000

# Thai, Lao, Myanmar, Khmer, Kana and Han.
UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]"
_UNSPACED = re.compile(UNSPACED)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The words of a text; or its characters where words are not spaced (Japanese, one endless word)."""

    units: list[str] | str
    size: int

    def grams(self) -> list[int]:
        """Hashes of the 4-grams of words, or 8-grams of characters: eight are about four words there, and
        chance repeats are rare. Hashes, as millions of live tuples slow the garbage collector down."""
        if self.size == 4:
            words = self.units
            return list(map(hash, zip(words, words[1:], words[2:], words[3:], strict=False)))
        return [hash(self.units[start : start + 8]) for start in range(len(self.units) - 7)]


def tokens(text: str) -> Tokens:
    """The tokens of a text's last stretch."""
    text = text[-TEXT_LIMIT:]
    words = text.split()
    start = text[:400]
    is_spaced = start.isascii() or 3 * len(_UNSPACED.findall(start)) <= len(start)
    if is_spaced and len(text) <= 15 * len(words):
        return Tokens(units=words, size=4)
    return Tokens(units="".join(words)[-CHARACTER_LIMIT:], size=8)
