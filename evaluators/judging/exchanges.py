"""One exchange with a judge, as bytes, and what stands in it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request of an exchange; `status` is None where no answer came, `error` says what then."""

    started_at: datetime
    latency_ms: float
    status: int | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """The last request and answer of a call to a judge, byte for byte, with every attempt that led to it.

    `raw_response` is empty where no answer came. `output` is how the form was asked for in the end
    (json_schema, json_object, text).
    """

    raw_request: bytes
    raw_response: bytes
    attempts: tuple[Attempt, ...]
    output: str

    @property
    def status(self) -> int | None:
        return self.attempts[-1].status if self.attempts else None

    @property
    def started_at(self) -> datetime:
        return self.attempts[0].started_at
