"""What a judge must answer: one JSON object, the reason first and then the score, and nothing else."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, cast

from evaluators.judging.rubrics import GRADES, Rubric

PARSER_VERSION: Final = "1.0.0"
"""Part of every evaluator version; raised whenever a text is read differently than before."""

PARSE_ERROR: Final = "parse_error"
REFUSED: Final = "refused"
CUT_OFF: Final = "cut_off"
CONTENT_FILTER: Final = "content_filter"
TOO_LONG: Final = "too_long"
SAME_MODEL: Final = "same_model"
ERROR: Final = "error"

RETRIABLE: Final = frozenset({ERROR, PARSE_ERROR})
"""Reasons worth another call on a later run; the others would come out the same."""

# `score` and not `grade`: some endpoints write keys in alphabetical order, and the reason must come first.
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "description": "Two to four sentences that lead to the score."},
        "score": {"type": "integer", "enum": list(GRADES), "description": "The grade by the rubric."},
    },
    "required": ["reason", "score"],
    "additionalProperties": False,
}

_LONGEST_REASON = 8_000
_FENCED = re.compile(r"```(?:json)?[ \t]*\n(?P<body>.*)\n```", re.DOTALL | re.IGNORECASE)
# Members as pairs: a mapping would lose one that is given twice.
_DECODER = json.JSONDecoder(object_pairs_hook=list[tuple[str, Any]])
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A grade of 1–5 and the reason that was given before it."""

    grade: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unscored:
    """Why there is no grade: `reason` is a word of this module or of `items`, `detail` one line."""

    reason: str
    detail: str = ""


class ProtocolError(ValueError):
    """The text is not what was asked for; the message is one line."""


def parse(text: str, rubric: Rubric) -> Verdict | Unscored:
    """The verdict that a judge's text is; `parse_error` for anything outside the protocol. Never raises.

    The whole text must be the object, at most within one Markdown fence: a grade found somewhere in prose may
    be a quotation of the judged text.
    """
    try:
        reason, score = (value for _, value in read_members(text, names=("reason", "score")))
    except ProtocolError as error:
        return Unscored(PARSE_ERROR, str(error))
    if not isinstance(reason, str) or not reason.strip():
        return Unscored(PARSE_ERROR, "the reason is no text")
    if type(score) is not int or score not in {anchor.grade for anchor in rubric.anchors}:
        return Unscored(PARSE_ERROR, f"the score is {score!r:.40}, no grade of the rubric")
    return Verdict(score, storable(reason.strip())[:_LONGEST_REASON])


def read_members(text: str, *, names: tuple[str, ...]) -> list[tuple[str, Any]]:
    """The members of the one JSON object a text is, which must be exactly `names` in this order.

    Raises ProtocolError: prose around it, other, missing or repeated members, another order.
    """
    stripped = text.strip()
    if stripped.startswith("`") and (fenced := _FENCED.fullmatch(stripped)):
        stripped = fenced["body"].strip()
    if not stripped.startswith("{"):
        raise ProtocolError("no JSON object" if stripped else "an empty text")
    try:
        members = _DECODER.decode(stripped)
    except (ValueError, RecursionError):
        raise ProtocolError("no JSON object, or more than one") from None
    given = tuple(name for name, _ in cast("list[tuple[str, Any]]", members))
    if given != names:
        raise ProtocolError(f"its members are {list(given)!r:.100}, not {list(names)}")
    return members


def storable(text: str) -> str:
    """The text without what Postgres cannot hold (NUL, lone surrogates)."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
