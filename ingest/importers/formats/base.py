"""What every format of calls gives: calls, scores of calls, or nothing of the kind."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from ingest.call import Call
from ingest.landing.result import Problem

Kind = Literal["context", "calls", "scores"]
"""What the lines of a file are: what later calls need, calls, or scores of calls."""


@dataclass(frozen=True, slots=True)
class Within:
    """The half-open range of `started_at` that may land."""

    earliest: datetime
    latest: datetime


class Score(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What another tool says of a call: a version's verdict, or (`is_feedback`) an end user's opinion.

    The call is `call_id`, or the import's call with this `external_id`, or the last one of this trace.
    `evaluator` and `version` name the verdict here; an opinion has no version.
    """

    evaluator: str
    version: str = ""
    call_id: UUID | None = None
    external_id: str | None = None
    trace_id: str | None = None
    value: float | None = None
    label: str | None = None
    explanation: str | None = None
    at: datetime | None = None
    is_feedback: bool = False


class Said(msgspec.Struct, frozen=True, gc=False):
    """One thing that a line says. `call` None: nothing of it is a call.

    `line` is what is kept of it where it is refused, if that is not the line itself.
    """

    call: Call | Problem | None = None
    scores: tuple[Score | Problem, ...] = ()
    line: bytes | None = None


Read: TypeAlias = Callable[[bytes, Within], Iterable[Said]]


@dataclass(frozen=True, slots=True)
class Format:
    """One shape of file. `name` is what `--format` takes; several kinds of file may share it.

    `is_known` tells the shape by the names of the members (or columns) of its first object.
    """

    name: str
    kind: Kind
    read: Read
    is_known: Callable[[frozenset[str]], bool]
