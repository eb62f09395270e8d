"""Kinds of personal data in text: what they look like, and how to tell them from other digits.

Two readers share this: the rule `pii`, which must be precise, and masking, which must miss nothing.
"""

import re
from collections.abc import Iterator

from evaluators.rules.checksums import (
    IBAN_LENGTHS,
    is_card_number,
    is_iban,
    is_korean_resident_number,
    is_luhn,
)

# ASCII classes throughout: in Korean and Japanese a particle follows a number without a space.
EMAIL = re.compile(
    r"(?<![\w.%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])",
    re.ASCII,
)
# RFC 2606 and 6761 set these names aside, and models write the others as placeholders.
_PLACEHOLDER_EMAIL = re.compile(
    r"(?i)@(?:[\w-]+\.)*(?:example(?:\.\w+)?|test|invalid|localhost)(?:\.\w+)?$"
    r"|@(?:e?mail|domain|yourdomain|yourcompany|company|website|yourwebsite|mywebsite|provider|mail|address)\.\w+$"
    r"|^(?:your|my|user|username|name|example|e?mail|recipient|first|firstname|test)[\w.-]*@"
)
CARD = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)", re.ASCII)
# A number that its text calls one of a card may be shorter, and of a scheme that nobody lists.
NAMED_CARD = re.compile(
    r"(?:\b(?:card|tarjeta|carte|karte)\b|카드|カード|卡)[^\d\n]{0,30}"
    r"(?P<number>\d(?:[ -]?\d){11,18})(?![\w-]|[.,]\d)",
    re.ASCII | re.IGNORECASE,
)
IBAN = re.compile(
    r"(?<!\w)(?:[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}|[a-z]{2}\d{2}[a-z0-9]{11,30})(?!\w)", re.ASCII
)
RESIDENT = re.compile(r"(?<!\d)\d{6}[- ]?[1-8]\d{6}(?!\d)", re.ASCII)
# Words by which a text itself calls the digits behind them a phone number.
PHONE_WORD = (
    r"(?:\b(?:phone|call|tel|mobile|cell|fax|whatsapp|reach|contact|telephone|téléphone|teléfono|móvil)\b"
    r"|전화|연락처|휴대폰|핸드폰|電話|携帯|电话|手机)[^\d\n+(]{0,30}"
)
PHONES = tuple(
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        # +44 20 7946 0958, +82-10-1234-5678, +1 (212) 555 0123
        r"(?<![\w+])(?<!\d[ .-])(?:\+|00)[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,5}"
        r"(?:[ .-]?\d{2,5}){1,4}(?:x\d{1,6})?(?!\w|-\d)",
        # (212) 736-5000, 212-736-5000, 1-212-736-5000x12
        r"(?<![\w.+-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])"
        r"[2-9]\d\d[ .-]\d{4}(?:x\d{1,6})?(?![\w-])",
        # 010-1234-5678, 02-123-4567, 031 123 4567, 01012345678
        r"(?<![\w.+-])(?<!\d[ .-])0(?:1[016789]|2|[3-6][1-5]|70|50\d)[ .-]?\d{3,4}[ .-]\d{4}(?![\w-])",
        r"(?<![\w.+-])01[016789]\d{7,8}(?!\w)",
        # national forms with a trunk 0: 0490 75 40 81, 01.84.17.61.18, (08) 8747 6301
        r"(?<![\w.+-])(?<!\d[ .-])(?:\(0\d{1,4}\)|0\d{1,4})[ .-]\d{2,5}(?:[ .-]\d{2,5}){1,3}(?!\w|[.-]\d)",
        PHONE_WORD + r"(?:\n[ \t]*)?(?P<number>\(?\d[\d() .-]{5,16}\d)(?![\w-])",
    )
)
# What models write for "a number here": ascending or repeated digits, and 555, which NANPA sets aside for
# fiction. Toll-free numbers belong to companies and hotlines.
_NO_PHONE = re.compile(
    r"\d*(?:123456|234567|345678|456789|(\d)\1{5})"
    r"|1?555|1?[2-9]\d\d555\d{4}$|1?8(?:00|33|44|55|66|77|88)\d{7}$"
)
_SOCIAL_SECURITY = re.compile(r"\d{3}-\d\d-\d{4}$")
# 01.02.2024, 1/2/2024 and 2024-02-01, with a time behind them or not.
_DATE = re.compile(
    r"\(?(?:(?:0?[1-9]|[12]\d|3[01])([ ./-])(?:0?[1-9]|[12]\d|3[01])\1(?:19|20)\d\d"
    r"|(?:19|20)\d\d([ ./-])(?:0?[1-9]|1[0-2])\2(?:0?[1-9]|[12]\d|3[01]))(?!\d)"
)


def find_personal_data(text: str) -> Iterator[tuple[str, str]]:
    """Every (kind, text) that is surely somebody's; a stretch counts for the first kind that knows it.

    Addresses and numbers set aside for examples, made-up rows of digits and toll-free numbers pass.
    """
    for found in EMAIL.finditer(text):
        if not _PLACEHOLDER_EMAIL.search(found.group()):
            yield "e-mail", found.group()
    rest = text
    for kind, pattern, is_one in _NUMBERS:
        for found in pattern.finditer(rest):
            number = found.groupdict().get("number") or found.group()
            if is_one(number):
                yield kind, number
                rest = rest.replace(number, " ")


def digits_of(text: str) -> str:
    return "".join(sign for sign in text if "0" <= sign <= "9")


def _is_card(text: str) -> bool:
    return is_card_number(digits_of(text))


def _is_named_card(text: str) -> bool:
    digits = digits_of(text)
    return len(set(digits)) > 1 and is_luhn(digits)


def _is_iban(text: str) -> bool:
    compact = text.replace(" ", "").replace("-", "").upper()
    # The pattern may run on into the next word in capitals; the country knows where to stop.
    return is_iban(compact[: IBAN_LENGTHS.get(compact[:2], 0)])


def _is_resident(text: str) -> bool:
    return is_korean_resident_number(digits_of(text))


def _is_phone(text: str) -> bool:
    digits = digits_of(text.lower().split("x")[0])
    is_other = _NO_PHONE.match(digits) or _SOCIAL_SECURITY.match(text) or _DATE.match(text)
    return 7 <= len(digits) <= 15 and not is_other


# Most certain first.
_NUMBERS = (
    ("IBAN", IBAN, _is_iban),
    ("Korean resident number", RESIDENT, _is_resident),
    ("card", CARD, _is_card),
    ("card", NAMED_CARD, _is_named_card),
    *(("phone", pattern, _is_phone) for pattern in PHONES),
)
