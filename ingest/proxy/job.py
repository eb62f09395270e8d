"""What a supervisor tells a worker on its standard input: one line of JSON."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ingest.proxy.bounds import Limits
from ingest.proxy.serving import Serving
from ingest.settings import Settings

READY = "ready"
"""What a worker says on its standard output once it listens; anything else is why it cannot."""


@dataclass(frozen=True, slots=True)
class Job:
    """One worker's share of a proxy."""

    worker: int
    host: str
    port: int
    settings: Settings
    upstream_base_url: str | None
    serving: Serving
    limits: Limits | None


def encode_job(job: Job) -> bytes:
    return msgspec.json.encode(job, enc_hook=_plain) + b"\n"


def decode_job(line: bytes) -> Job:
    return msgspec.json.decode(line, type=Job, dec_hook=_typed)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError


def _typed(wanted: type, value: Any) -> Any:
    if wanted is Path:
        return Path(value)
    raise NotImplementedError
