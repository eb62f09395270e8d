"""A line that was handed in over HTTP: read the same at the door and, from the spool, by the loader."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from ingest.call import Call
from ingest.importers.canonical import to_call
from ingest.importers.record import parse_line
from ingest.landing.result import Problem


@dataclass(frozen=True, slots=True)
class Sender:
    """What is known of whoever sends the calls; where it is known it overrides what a line says."""

    source: Literal["import", "otlp"]
    project: str | None = None
    environment: str | None = None
    key_id: str | None = None


def read_delivered(line: bytes, *, sender: Sender, earliest: datetime, latest: datetime) -> Call | Problem:
    """The call of one line of the call record, under its sender's name, or why it is none."""
    parsed = parse_line(line)
    if isinstance(parsed, Problem):
        return parsed
    call = to_call(parsed, line=line, earliest=earliest, latest=latest, source=sender.source)
    if isinstance(call, Problem):
        return call
    said = {"project": sender.project, "environment": sender.environment, "key_id": sender.key_id}
    known = {name: value for name, value in said.items() if value is not None}
    return msgspec.structs.replace(call, **known) if known else call
