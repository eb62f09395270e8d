"""JSON as models write it: within a fence or without, valid by RFC 8259 or not."""

import json
import re
from dataclasses import dataclass

_FENCE = re.compile(r"\A```[\w+-]*[ \t]*\n?(.*?)\n?[ \t]*```\Z", re.DOTALL)
# Strings (closed or cut off by the end) are eaten whole, so that a brace inside one does not count; the
# alternative `\Z` keeps the scan linear on a text of a million escaped quotes.
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z|\\\Z)|[{}\[\]]', re.DOTALL)


class TooDeepError(ValueError):
    """The text nests deeper than the parser can follow; it may be JSON for all we know."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A JSON value, or why the text is none (`problem`, without any of its content)."""

    value: object = None
    problem: str | None = None


def strip_fence(text: str) -> str:
    """The inside of a code fence that spans the whole text; the text itself where none does."""
    stripped = text.strip()
    if not stripped.startswith("```") or not stripped.endswith("```") or len(stripped) < 6:
        return stripped
    fenced = _FENCE.match(stripped)
    return fenced.group(1).strip() if fenced else stripped


def parse_json(text: str) -> Parsed:
    """Parse a text, fenced or not, as strict JSON (no NaN, no trailing comma). Raises TooDeepError."""
    try:
        return Parsed(
            value=json.loads(strip_fence(text), parse_constant=_refuse_constant, parse_int=_integer)
        )
    except RecursionError:
        raise TooDeepError from None
    except json.JSONDecodeError as error:
        return Parsed(problem=f"{error.msg} at line {error.lineno} column {error.colno}")
    except ValueError as error:
        return Parsed(problem=str(error))


def open_brackets(text: str) -> int:
    """How many braces and brackets outside strings are still open at the end; -1 where they mismatch."""
    stack: list[str] = []
    for found in _STRUCTURE.finditer(text):
        mark = found.group()[0]
        if mark in "{[":
            stack.append("}" if mark == "{" else "]")
        elif mark in "}]" and (not stack or stack.pop() != mark):
            return -1
    return len(stack)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


def _integer(digits: str) -> int | float:
    # CPython refuses to read integers of more than 4,300 digits; to JSON they are numbers like others.
    return int(digits) if len(digits) < 4_000 else float(digits)
