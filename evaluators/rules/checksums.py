"""Check digits that tell a number of a kind from any run of digits."""

from datetime import date

# ISO 13616 registry (SWIFT, release 99): the length of a country's IBAN.
_IBAN_LENGTHS = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24
FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32
LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24
SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20
"""
IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _IBAN_LENGTHS.split()}


def is_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: the check digit of payment cards."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def is_card_number(digits: str) -> bool:
    """A Luhn number of 13 to 19 digits in a range that card schemes issue, not one digit over and over."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2 or not is_luhn(digits):
        return False
    head2, head4 = int(digits[:2]), int(digits[:4])
    is_visa = digits[0] == "4" and len(digits) in (13, 16, 19)
    is_amex = head2 in (34, 37) and len(digits) == 15
    is_mastercard = (51 <= head2 <= 55 or 2221 <= head4 <= 2720) and len(digits) == 16
    is_diners = head2 in (30, 36, 38, 39) and len(digits) in (14, 16, 19)
    is_jcb = 3528 <= head4 <= 3589 or (head4 in (1800, 2131) and len(digits) == 15)
    return is_visa or is_amex or is_mastercard or is_diners or is_jcb or head2 in (50, *range(56, 70))


def is_iban(text: str) -> bool:
    """ISO 13616: the country's length, and 97 leaves 1 (ISO 7064)."""
    compact = text.replace(" ", "").replace("-", "").upper()
    if IBAN_LENGTHS.get(compact[:2]) != len(compact) or not compact.isalnum() or not compact.isascii():
        return False
    return int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 == 1


def is_korean_resident_number(digits: str) -> bool:
    """Thirteen digits: a date of birth, a sex and century digit, and the check digit of the Resident
    Registration Act (weights 2–9, 2–5, modulo 11; registrations of foreigners add 2)."""
    if len(digits) != 13 or not "1" <= digits[6] <= "8":
        return False
    century = 1900 if digits[6] in "1256" else 2000
    try:
        date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return False
    weighted = sum(
        int(digit) * int(weight) for digit, weight in zip(digits[:12], "234567892345", strict=True)
    )
    check = 11 - weighted % 11
    return int(digits[12]) == (check + (2 if digits[6] in "5678" else 0)) % 10
