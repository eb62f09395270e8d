"""Check digits that tell a number of a kind from any run of digits."""

from datetime import date

# ISO 13616 registry (SWIFT, release 99): the length of a country's IBAN.
IBAN_LENGTHS = {
    code: int(length)
    for code, length in (
        entry.split(":")
        for entry in (
            "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DK:18 "
            "DO:28 EE:20 EG:29 ES:24 FI:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HR:21 HU:28 IE:22 IL:23 "
            "IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 MC:27 MD:24 ME:22 MK:19 MR:27 "
            "MT:31 MU:30 NL:18 NO:15 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 SA:24 SC:31 SE:24 SI:19 SK:24 SM:27 "
            "ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20"
        ).split()
    )
}


def is_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: the check digit of payment cards."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def is_card_number(digits: str) -> bool:
    """A Luhn number of 13 to 19 digits in a range that card schemes issue, and not one digit over and over."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 3 or not is_luhn(digits):
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
