"""A group's text and fingerprint: what names an alert, wherever it is told."""

from hashlib import sha256

from orchestration.alerts.reading.types import Group

ALL = "all"
# An index of Postgres takes 2,704 bytes a row; a character is up to four.
LONGEST_KEY = 500


def group_key(group: Group, *, is_bare: bool = False) -> str:
    """`gpt-4o` for one dimension, `model=gpt-4o · user=u1` for several, `all` for none.

    Bare, several are `gpt-4o · u1`. A long one is cut and gets a digest of the whole.
    """
    if not group:
        return ALL
    if len(group) == 1 or is_bare:
        key = " · ".join(value for _, value in group)
    else:
        key = " · ".join(f"{name}={value}" for name, value in group)
    if len(key) <= LONGEST_KEY:
        return key
    digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{key[: LONGEST_KEY - 18]}… {digest}"


def fingerprint(rule: str, group: Group) -> str:
    """16 hex digits, the same for all transitions of a rule and group, whatever the order of its names."""
    parts = [rule, *(f"{name}\x1f{value}" for name, value in sorted(group))]
    return sha256("\x1e".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
