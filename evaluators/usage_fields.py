"""Reading the fields of a usage object strictly: a count is a whole number or the object is refused."""

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

Usage = Mapping[str, Any]
Counts = tuple[int, int, int, int, int, int, int, int, int, int]
"""Token counts in the order of `evaluators.usage.BUCKETS`."""

Reason = Literal[
    "missing_usage",
    "malformed_usage",
    "inconsistent_usage",
    "unknown_shape",
    "unsupported_usage",
]

MAX_TOKENS: Final = 10**9
"""No context window is near a billion tokens: a larger count is a bug, not a bill."""

NOTHING: Final[Usage] = {}


class ManyCounts:
    """A count of many calls in the place of one (`evaluators.usage_columns`), bounded when decoded."""

    __slots__ = ()


class UsageError(Exception):
    """A usage object that cannot be bucketed; caught in `evaluators.usage`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail


def count(usage: Usage, key: str) -> int:
    """A token count, 0 where it is absent or null."""
    value = usage.get(key)
    if value is None:
        return 0
    if type(value) is int and 0 <= value <= MAX_TOKENS:
        return value
    if isinstance(value, ManyCounts):
        return cast("int", value)
    raise UsageError("malformed_usage", f"{key} is {str(value)[:40]!r} ({type(value).__name__})")


def optional(usage: Usage, key: str) -> int | None:
    return None if usage.get(key) is None else count(usage, key)


def required(usage: Usage, key: str) -> int:
    if usage.get(key) is None:
        raise UsageError("malformed_usage", f"{key} is missing")
    return count(usage, key)


def part(usage: Usage, key: str) -> Usage:
    """A nested object, empty where it is absent or null."""
    value = usage.get(key)
    if value is None:
        return NOTHING
    if type(value) is dict or isinstance(value, Mapping):
        return value
    raise UsageError("malformed_usage", f"{key} is a {type(value).__name__}, not an object")


def agreed(first: int, usage: Usage, keys: tuple[str, ...]) -> int:
    """The one count behind several names for it; two different ones are a contradiction."""
    for key in keys:
        if key in usage and (other := count(usage, key)):
            if first and other != first:
                raise UsageError("inconsistent_usage", f"{key} is {other}, another field says {first}")
            first = other
    return first


def check_total(total: int | None, expected: int, of: str) -> None:
    if total is not None and total != expected:
        raise UsageError("inconsistent_usage", f"the total is {total}, but {of} = {expected}")


def refuse(usage: Usage, key: str) -> None:
    if key in usage and count(usage, key):
        raise UsageError("unsupported_usage", f"{key} has a price of its own and no bucket")


def refuse_cached(kind: str, tokens: int, cached: int, parts: Usage) -> None:
    """Cached tokens of a kind (audio, image) have a price of their own: refused where there may be any."""
    if cached and tokens:
        split = part(parts, "cached_tokens_details")
        if not split:
            raise UsageError("unsupported_usage", f"cached and {kind} tokens may overlap")
        refuse(split, f"{kind}_tokens")


def modality(usage: Usage, key: str, kind: str) -> int:
    details = usage.get(key)
    return labelled(details, key, "modality", kind, "tokenCount") if details else 0


def labelled(details: object, key: str, label: str, value: str, counted: str) -> int:
    """The sum of `counted` over a list's objects whose `label` is `value`."""
    if not isinstance(details, list) or not all(isinstance(item, Mapping) for item in details):
        raise UsageError("malformed_usage", f"{key} is not a list of objects")
    return sum(count(item, counted) for item in details if item.get(label) == value)
