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

    @property
    def count(self) -> int:
        """How many n-grams there are."""
        return max(0, len(self.units) - self.size + 1)

    def grams(self) -> list[int] | list[str]:
        """4-grams of words, as hashes (millions of live tuples slow the garbage collector down); or 8-grams
        of characters: eight are about four words there, and chance repeats are rare."""
        units = self.units
        if isinstance(units, str):
            return [units[start : start + 8] for start in range(len(units) - 7)]
        return list(map(hash, zip(units, units[1:], units[2:], units[3:], strict=False)))


def tokens(text: str) -> Tokens:
    """The tokens of a text's last stretch."""
    text = text[-TEXT_LIMIT:]
    words = text.split()
    start = text[:400]
    is_spaced = start.isascii() or 3 * len(_UNSPACED.findall(start)) <= len(start)
    if is_spaced and len(text) <= 15 * len(words):
        return Tokens(units=words, size=4)
    return Tokens(units="".join(words)[-CHARACTER_LIMIT:], size=8)


def may_repeat(text: str) -> bool:
    """Whether two of a dozen evenly spaced pieces of 16 characters stand in the text again, further on.

    In a text that repeats half of its n-grams, every other place does so: at the very edge one such text in
    300 is passed over, on real loops none was. It costs a tenth of counting the n-grams.
    """
    text = text[-TEXT_LIMIT:]
    step = max(1, (len(text) - 16) // 12)
    twins = 0
    for start in range(0, 12 * step, step):
        twins += text.find(text[start : start + 16], start + 1) >= 0
        if twins == 2:
            return True
    return False
