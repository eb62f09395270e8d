"""Text that Postgres cannot hold, rewritten so that the original can be had back.

A `text` or `jsonb` string holds neither NUL nor a lone surrogate. A field that contains one is escaped
as a whole: a backslash becomes two, and every such character becomes `\\uXXXX` (four hex digits). The
names of escaped fields stand in `tags['lqo.repaired']`; all other fields are as they came.
"""

import re
from typing import Any

REPAIRED_TAG = "lqo.repaired"

_UNHOLDABLE = re.compile("[\x00\ud800-\udfff]")
_TO_ESCAPE = re.compile("[\\\\\x00\ud800-\udfff]")
_ESCAPED = re.compile(r"\\(?:\\|u([0-9a-f]{4}))")


def is_holdable(text: str) -> bool:
    """Whether Postgres can hold `text` as it is."""
    return _UNHOLDABLE.search(text) is None


def repair(text: str) -> str:
    """Escape `text`; `restore` gives the original back."""
    return _TO_ESCAPE.sub(_escape, text)


def restore(text: str) -> str:
    """The original of a repaired text."""
    return _ESCAPED.sub(_unescape, text)


def is_holdable_json(value: Any) -> bool:
    """Whether every string in a JSON value, keys included, can be held."""
    if isinstance(value, str):
        return is_holdable(value)
    if isinstance(value, dict):
        return all(is_holdable_json(part) for pair in value.items() for part in pair)
    return all(is_holdable_json(part) for part in value) if isinstance(value, list | tuple) else True


def repair_json(value: Any) -> Any:
    """Escape every string in a JSON value, keys included."""
    if isinstance(value, str):
        return repair(value)
    if isinstance(value, dict):
        return {repair(str(key)): repair_json(part) for key, part in value.items()}
    return [repair_json(part) for part in value] if isinstance(value, list | tuple) else value


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return "\\\\" if character == "\\" else f"\\u{ord(character):04x}"


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match.group(1), 16)) if match.group(1) else "\\"
