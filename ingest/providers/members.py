"""The top-level members of a JSON object, found in its own bytes: to splice one, or to find it in a piece.

Text is decoded with `surrogateescape`, so that every byte comes back as it was.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_SPACE = re.compile(r"[ \t\n\r]*")
_MOST_TRIES = 16
_UNREADABLE = (ValueError, RecursionError)


class Member(NamedTuple):
    """A member and where its value stands in the text."""

    name: str
    value: Any
    start: int
    end: int


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def top_members(text: str) -> Iterator[Member]:
    """The members in order, duplicates too. Raises ValueError or RecursionError where the text is no object
    or ends early: what came before has been given by then.
    """
    at = _after(text, 1 if text.startswith("\ufeff") else 0, "{")
    if text.startswith("}", at):
        _check_end(text, at + 1)
        return
    while True:
        name, at = _value(text, at)
        if not isinstance(name, str):
            raise ValueError("a member's name is not a string")  # noqa: TRY004 - one kind of error for a bad document
        start = _after(text, _skip(text, at), ":")
        value, end = _value(text, start)
        yield Member(name, value, start, end)
        at = _skip(text, end)
        if text.startswith("}", at):
            _check_end(text, at + 1)
            return
        at = _after(text, at, ",")


def array_items(text: str) -> Iterator[str]:
    """The items of an array, each as it stands in the text; those that are whole, where it was cut."""
    try:
        at = _after(text, 1 if text.startswith("\ufeff") else 0, "[")
        while not text.startswith("]", at):
            _, end = _value(text, at)
            yield text[at:end]
            at = _after(text, end, ",")
    except _UNREADABLE:
        return


def leading_value(head: str, name: str) -> Any:
    """The value of a top-level member that stands whole in the beginning of a document; None without one."""
    try:
        return next((member.value for member in top_members(head) if member.name == name), None)
    except _UNREADABLE:
        return None


def trailing_value(tail: str, name: str, *, depth: int = 1) -> Any:
    """The value of a member that stands in the end of a document, its object `depth` levels deep; else None.

    A quote inside a string is escaped, so `"name":` is a member's name wherever it stands; the levels that
    close behind it tell a top-level one from one in the arguments of a tool call.
    """
    key = re.compile(rf'"{name}"[ \t\n\r]*:[ \t\n\r]*')
    for match in list(key.finditer(tail))[: -_MOST_TRIES - 1 : -1]:
        try:
            value, end = _value(tail, match.end())
            if _levels_to_end(tail, end) == depth:
                return value
        except _UNREADABLE:
            continue
    return None


def _levels_to_end(text: str, at: int) -> int:
    """How many objects and arrays close between here and the end of the text."""
    levels = 0
    while (at := _skip(text, at)) < len(text):
        if text[at] in "}]":
            levels += 1
            at += 1
            continue
        _, at = _value(text, _after(text, at, ","))
        if text.startswith(":", at := _skip(text, at)):
            _, at = _value(text, _skip(text, at + 1))
    return levels


def _value(text: str, at: int) -> tuple[Any, int]:
    return _decoder.raw_decode(text, at)


def _after(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if not text.startswith(mark, at):
        raise ValueError(f"no {mark} at {at}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _check_end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise ValueError("something follows the object")


def _whole(digits: str) -> int | float:
    # Python refuses to read integers of thousands of digits; no count has more than 18.
    return int(digits) if len(digits) < 19 else float(digits)


_decoder = json.JSONDecoder(strict=False, parse_int=_whole)
