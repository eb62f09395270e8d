"""Words of a text for n-gram measures, with or without spaces between them."""

import re

# Beyond this, only the end is read: loops run to the end, and a megabyte must not cost a second.
TEXT_LIMIT = 100_000
CHARACTER_LIMIT = 20_000

_SCRIPTS_WITHOUT_SPACES = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def n_grams(text: str) -> list[tuple[str, ...]] | list[str]:
    """4-grams of the words; 8-grams of the characters where words are not spaced (Japanese, Chinese, Thai,
    one endless word). Eight characters are about four words there, and chance repeats are rare.
    """
    text = text[-TEXT_LIMIT:]
    words = text.split()
    if len(text) <= 15 * len(words) and not _is_unspaced(text):
        return list(zip(words, words[1:], words[2:], words[3:], strict=False))
    characters = "".join(words)[-CHARACTER_LIMIT:]
    return [characters[start : start + 8] for start in range(len(characters) - 7)]


def _is_unspaced(text: str) -> bool:
    sample = text[:400]
    return 3 * len(_SCRIPTS_WITHOUT_SPACES.findall(sample)) > len(sample)
