"""What of a prompt is pasted in, quoted or addressed, replaced by a mark before its words are read."""

import re
import unicodedata
from typing import Final

READ_CHARACTERS: Final = 20_000
"""Of a longer prompt only this much is read: the instruction stands at its head, and work stays bounded."""

UNSPACED: Final = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""A regex class: Thai, Lao, Myanmar, Khmer, Kana, Han; Hangul, too, whose words carry their particles."""

MARKS: Final = ("url", "email", "code", "quote", "text")

_BLOCK = re.compile(r'```.*?(?:```|\Z)|(?P<text>""".*?(?:"""|\Z))', re.DOTALL)
_OPENING = re.compile(r"<([A-Za-z_][\w-]{0,30})>")
# ASCII only: in Japanese or Korean the next word follows an address without a space.
_URL = re.compile(r"(?:https?://|www\.)[!-~]{1,2000}")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}")
_INLINE_CODE = re.compile(r"`[^`\n]{1,300}`")
# Neither mark of a pair may stand inside it: then no text costs more than one pass.
_QUOTE = re.compile(
    r"\"[^\"\n]{1,300}\"|“[^“”\n]{1,300}”|„[^„“”\n]{1,300}[“”]|«[^«»\n]{1,300}»|「[^「」\n]{1,300}」"
    r"|『[^『』\n]{1,300}』|《[^《》\n]{1,300}》|(?<!\w)'[^'\n]{1,300}'(?!\w)|(?<!\w)‘[^‘’\n]{1,300}’(?!\w)"
)
_QUOTE_SIGNS = frozenset("\"“„«「『《'‘")
# A name before an honorific, in scripts that have no capitals.
_JAPANESE_NAME = re.compile(r"[\u3400-\u9fff\u30a0-\u30ff]{1,8}(?=さん|様|さま|氏|殿|くん|ちゃん)")
_KOREAN_NAME = re.compile(r"(?<![\uac00-\ud7af])[\uac00-\ud7af]{2,4}(?= ?(?:씨|님)(?![\uac00-\ud7af]{4}))")


def cut(text: str) -> str:
    """The text's first 20,000 characters, in one form of Unicode, with ` <code> `, ` <text> `, ` <url> `,
    ` <email> `, ` <quote> ` and ` <*> ` (names before honorifics) in place of what stood there.

    `<text>` replaces what stands between triple quotes, and between the tags of an element: the tags say
    what it is, and stay. The 20,000 bound the work on any text.
    """
    text = unicodedata.normalize("NFKC", text[:READ_CHARACTERS])
    if "```" in text or '"""' in text:
        text = _BLOCK.sub(lambda found: " <text> " if found["text"] else " <code> ", text)
    if "</" in text:
        text = _without_elements(text)
    if "://" in text or "www." in text:
        text = _URL.sub(" <url> ", text)
    if "@" in text:
        text = _EMAIL.sub(" <email> ", text)
    if "`" in text:
        text = _INLINE_CODE.sub(" <code> ", text)
    if not _QUOTE_SIGNS.isdisjoint(text):
        text = _QUOTE.sub(" <quote> ", text)
    if not text.isascii():
        text = _KOREAN_NAME.sub(" <*> ", _JAPANESE_NAME.sub(" <*> ", text))
    return text


def _without_elements(text: str) -> str:
    """`<tag>…</tag>` with its content replaced; of nested elements the outer one counts."""
    pieces: list[str] = []
    end = 0
    while opening := _OPENING.search(text, end):
        close = text.find(f"</{opening[1]}>", opening.end())
        if close < 0:
            pieces.append(text[end : opening.end()])
            end = opening.end()
            continue
        pieces += [text[end : opening.end()], " <text> "]
        end = close
    return "".join([*pieces, text[end:]])
