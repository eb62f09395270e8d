"""Where personal data stands in a text, widely read: a mask that misses costs more than one too many.

Precise verdicts are the business of `evaluators.rules.personal_data`. Examples and placeholders count here,
signs of other scripts are read as their ASCII twins, and check digits are asked for only where a bare row
of digits would else mean everything.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from evaluators.rules.checksums import (
    IBAN_LENGTHS,
    is_card_number,
    is_iban,
    is_korean_resident_number,
    is_luhn,
)
from evaluators.rules.personal_data import PHONE_WORD


class Span(NamedTuple):
    """`text[start:end]` is of this kind."""

    start: int
    end: int
    kind: str


def find_spans(text: str, kinds: frozenset[str]) -> Iterator[Span]:
    """The stretches of these kinds (email, phone, card, resident, iban), in no order; they may overlap.

    Takes time linear in the text. Matches span at most 1,000 characters.
    """
    flat = text if text.isascii() else _flat(text)
    if not _WORTH_A_LOOK.search(flat):
        return
    if "email" in kinds and "@" in flat:
        yield from _emails(flat)
    if "iban" in kinds:
        yield from _ibans(flat)
    if kinds & _NUMBERS.keys():
        yield from _numbers(flat, kinds)


# The zero of each script whose digits Unicode calls decimal (Nd); nine more follow it.
_ZEROS = (
    "660 6f0 7c0 966 9e6 a66 ae6 b66 be6 c66 ce6 d66 de6 e50 ed0 f20 1040 1090 17e0 1810 1946 19d0 1a80 1a90 "
    "1b50 1bb0 1c40 1c50 a620 a8d0 a900 a9d0 a9f0 aa50 abf0 ff10 1d7ce 1d7d8 1d7e2 1d7ec 1d7f6"
)


_WORTH_A_LOOK = re.compile("[0-9@]")


def _twins() -> dict[int, str]:
    """Signs that stand for an ASCII sign: wide forms, digits, spaces, dashes and dots."""
    found = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    found |= dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " ")
    found |= dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0x30FC, 0xFE58, 0xFE63), "-")
    found |= dict.fromkeys((0x3002, 0xFE52, 0xFF61), ".") | {0xFE6B: "@"}
    for zero in _ZEROS.split():
        found |= {int(zero, 16) + digit: str(digit) for digit in range(10)}
    return found


_TWINS = _twins()
_HAS_TWIN = re.compile("[" + "".join(map(chr, _TWINS)) + "]")


def _flat(text: str) -> str:
    """The same text, sign by sign, in ASCII where a sign has a twin there."""
    return text.translate(_TWINS) if _HAS_TWIN.search(text) else text


# RFC 5321: 64 octets before the @. What stands there is read backwards from the @, so that a long row of
# such signs costs no more than 64 steps an @.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.){1,8}[A-Za-z][A-Za-z0-9-]{1,23}")
_LOCAL_ANY = re.compile(r"[\w.+-]{1,64}")
_DOMAIN_ANY = re.compile(r"(?:[\w-]{1,63}\.){1,8}[^\W\d][\w-]{1,23}")


def _emails(flat: str) -> Iterator[Span]:
    at = flat.find("@")
    while at >= 0:
        before = flat[max(at - 64, 0) : at][::-1]
        local = _LOCAL.match(before) or _LOCAL_ANY.match(before)
        domain = _DOMAIN.match(flat, at + 1) or _DOMAIN_ANY.match(flat, at + 1)
        if local and domain:
            yield Span(at - local.end(), domain.end(), "email")
        at = flat.find("@", at + 1)


# Digits first: letters stand everywhere, and a search for them costs twenty times as much.
_IBAN = re.compile(r"[0-9]{2}(?:[ .-]?[A-Za-z0-9]){11,30}")
_COUNTRY = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}")
_SIGN = re.compile(r"[A-Za-z0-9]")


def _ibans(flat: str) -> Iterator[Span]:
    found = _IBAN.search(flat)
    while found:
        start = found.start() - 2
        end = _iban_end(flat, start) if start >= 0 and _COUNTRY.match(flat, start) else 0
        if end:
            yield Span(start, end, "iban")
        found = _IBAN.search(flat, end or found.start() + 1)


def _iban_end(flat: str, start: int) -> int:
    """Where the IBAN that starts here ends by its country's length; 0 where there is none."""
    length = IBAN_LENGTHS.get(flat[start : start + 2].upper(), 0)
    # At most one sign stands between two.
    places = [place.start() for place in _SIGN.finditer(flat, start, start + 2 * length)][:length]
    if not length or len(places) < length:
        return 0
    return places[-1] + 1 if is_iban("".join(flat[place] for place in places)) else 0


# Seven digits or more with little between them: whatever number is looked for stands in such a stretch.
_STRETCH = re.compile(r"[0-9](?:[\s()./_-]{0,3}[0-9]){6,}")
_GROUP = re.compile(r"[0-9]+")
_PHONE_WORD = re.compile(
    PHONE_WORD + r"\(?$"
    r"|(?:\b(?:desk|office|home|work|dial|ring|sms|text|messages?|answering)\b|팩스|직통|핸폰|집전화)[^\d\n+(]{0,30}\(?$",
    re.IGNORECASE,
)
_PHONE_WORD_BEHIND = re.compile(r"[\s,-]{0,3}\(?(?:office|fax|desk|mobile|cell|home|work)\b", re.IGNORECASE)
_LOOK_BACK = 64
_EXTENSION = re.compile(r"\s?(?:x|ext\.?|#)\s?[0-9]{1,6}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Row:
    """What may be one number: it begins at `begin`; `ends` is its possible lengths in digits to where in
    the text they end. `is_first` of the stretch it stands in."""

    flat: str
    begin: int
    digits: str
    ends: dict[int, int]
    is_first: bool

    def written(self, count: int) -> str:
        return self.flat[self.begin : self.ends[count]]

    def count_at(self, end: int) -> int:
        """How many digits end here; 0 where none may."""
        return next((count for count, place in self.ends.items() if place == end), 0)

    def is_called_phone(self) -> bool:
        """Whether the words around it call it so; before it, only where no other digits stand between."""
        before = self.flat[max(self.begin - _LOOK_BACK, 0) : self.begin] if self.is_first else ""
        behind = max(self.ends.values(), default=self.begin)
        return bool(_PHONE_WORD.search(before) or _PHONE_WORD_BEHIND.match(self.flat, behind))

    def is_in_an_id(self, count: int) -> bool:
        """A bare row of digits that goes on in letters, as in a UUID."""
        behind = self.flat[self.ends[count] : self.ends[count] + 1]
        return behind.isascii() and behind.isalpha() and self.written(count).isdigit()


def _numbers(flat: str, kinds: frozenset[str]) -> Iterator[Span]:
    for stretch in _STRETCH.finditer(flat):
        groups = [group.span() for group in _GROUP.finditer(flat, stretch.start(), stretch.end())]
        covered = 0
        for first, (start, _) in enumerate(groups):
            if start >= covered and (found := _number_at(flat, groups, first=first, kinds=kinds)):
                covered = found.end
                yield found


def _number_at(flat: str, groups: list[tuple[int, int]], *, first: int, kinds: frozenset[str]) -> Span | None:
    """The number that begins with this group of digits, of the most certain kind and at its longest."""
    row = _row(flat, groups, first=first)
    for kind, length_of in _NUMBERS.items():
        if row.ends and kind in kinds and (count := length_of(row)):
            end = row.ends[count]
            extension = _EXTENSION.match(flat, end) if kind == "phone" else None
            return Span(row.begin, extension.end() if extension else end, kind)
    return None


def _row(flat: str, groups: list[tuple[int, int]], *, first: int) -> _Row:
    begin = groups[first][0]
    digits, ends = "", dict[int, int]()
    for start, end in groups[first : first + 19]:
        # A bracket opens after seven digits only where the next number begins.
        if len(digits) + end - start > 19 or (len(digits) >= 7 and "(" in flat[ends[len(digits)] : start]):
            break
        digits += flat[start:end]
        ends[len(digits)] = end
    while begin and flat[begin - 1] in "+(":
        begin -= 1
    return _Row(flat, begin, digits, ends, is_first=first == 0)


def _card_length(row: _Row) -> int:
    if row.digits[0] in "0789":
        return 0
    return next((n for n in range(19, 11, -1) if n in row.ends and _is_card(row, n)), 0)


_FOURS = re.compile(r"[0-9]{4}(?:\s{1,3}[0-9]{4}){3}")


def _is_card(row: _Row, count: int) -> bool:
    """Wider than the ranges in use today: schemes get new ones, and Maestro has cards of 12 digits."""
    digits, written = row.digits[:count], row.written(count)
    if "\n" in written and not _FOURS.fullmatch(written):
        return False
    if count == 12:
        return digits[:2] in _MAESTRO and is_luhn(digits)
    is_in_range = digits[0] in "3456" or digits[:2] in ("22", "23", "24", "25", "26", "27")
    return is_card_number(digits) or (is_in_range and is_luhn(digits))


_MAESTRO = frozenset(map(str, (50, *range(56, 70))))
_RESIDENT = re.compile(r"[0-9]{6}(?P<dash>[\s./_-]{0,3})[1-8][0-9]{6}")


def _resident_length(row: _Row) -> int:
    """A date of birth and a digit for sex and century. Numbers given since October 2020 have no check digit;
    without anything between the halves, thirteen digits are more often a time or an id."""
    if 13 not in row.ends or not (found := _RESIDENT.fullmatch(row.written(13))):
        return 0
    if not found["dash"] and is_korean_resident_number(row.digits[:13]):
        return 13
    year = int(row.digits[:2]) + (1900 if row.digits[6] in "1256" else 2000)
    try:
        born = date(year, int(row.digits[2:4]), int(row.digits[4:6]))
    except ValueError:
        return 0
    return 13 if found["dash"] or born >= date(2020, 10, 1) else 0


_S = r"[ ()./_-]{0,3}"
# Forms whose length is known come first, so that a number next to them does not lose its head.
_KOREAN = re.compile(
    rf"(?:\(?(?:\+|00)82{_S}0?|\(?0)(?:2|[3-6][1-5]|1[016789]|70|50[0-9]){_S}[0-9]{{3,4}}{_S}[0-9]{{4}}"
)
_FRENCH = re.compile(r"0[1-9](?:[ .-][0-9]{2}){4}")
_MOBILE = re.compile(r"01[016789][0-9]{7,8}|0[1-9][0-9]{8,9}")
_TRUNK = re.compile(r"\(?0[0-9]{1,4}\)?[ ()./_-]{1,3}[0-9]{2,5}(?:[ ()./_-]{0,3}[0-9])*")
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_NORTH_AMERICAN = re.compile(
    r"(?:\(?(?:\+|00)?1[ ()./_-]{1,3})?\(?[2-9][0-9]{2}[ ()./_-]{1,3}[2-9][0-9]{2}[ ()./_-]{1,3}[0-9]{4}"
)
_THREE_THREE_FOUR = re.compile(r"[0-9]{3}[ ()./_-]{1,3}[0-9]{3}[ ()./_-]{1,3}[0-9]{4}")
_TRUNK_FORMS = (_KOREAN, _FRENCH, _NORTH_AMERICAN)
_OTHER_FORMS = (_NORTH_AMERICAN, _THREE_THREE_FOUR)


def _phone_length(row: _Row) -> int:
    signs = row.flat[row.begin : row.begin + 3]
    has_trunk = row.digits[0] == "0" or "+" in signs[:2]
    for form in _TRUNK_FORMS if has_trunk else _OTHER_FORMS:
        if (found := form.match(row.flat, row.begin)) and (count := row.count_at(found.end())):
            return count
    if "+" in signs[:2] or signs.startswith("00"):
        lengths, is_one = range(15, 7, -1), _is_on_one_line
    elif row.is_called_phone():
        lengths, is_one = range(15, 6, -1), _is_on_one_line
    elif has_trunk:
        lengths, is_one = range(12, 6, -1), _is_national
    else:
        return 0
    fitting = [n for n in lengths if n in row.ends and not row.is_in_an_id(n)]
    return next((n for n in fitting if is_one(row.written(n))), 0)


def _is_on_one_line(written: str) -> bool:
    return "\n" not in written


def _is_national(written: str) -> bool:
    is_grouped = _TRUNK.fullmatch(written) and not _DECIMAL.fullmatch(written)
    return bool(is_grouped or _MOBILE.fullmatch(written))


# Most certain first.
_NUMBERS = {"resident": _resident_length, "card": _card_length, "phone": _phone_length}
