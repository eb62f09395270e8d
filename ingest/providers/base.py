"""What the proxy and the loader ask of a provider module."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as it goes upstream. `body` differs from the client's only where the provider module
    had to ask for usage; then `strips_usage` says that the answer to that must not reach the client."""

    body: bytes
    requested_model: str = ""
    is_streamed: bool = False
    strips_usage: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a request and its response say, read off the hot path.

    `input_text` is the last user message; `output_text` the answer (None where there is none at all,
    as in an error). `usage_raw` is the provider's usage object as received, `usage` the same, read.
    `unreadable` is one line on why a body could not be read (its bytes are kept all the same).
    """

    served_model: str | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    usage_raw: str | None = None
    input_text: str | None = None
    output_text: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    unreadable: str | None = None


class StreamFilter(Protocol):
    """Takes a stream as it arrives and gives what the client may see of it."""

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes:
        """What was held back when the stream ended."""
        ...


class ReadExchange(Protocol):
    def __call__(
        self,
        *,
        request: bytes,
        response: bytes,
        is_streamed: bool,
        http_status: int | None,
        content_encoding: str | None = None,
    ) -> Exchange: ...


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's HTTP dialect.

    `endpoints` are the paths whose calls are recorded, `passed_through` those that are only forwarded.
    `upstream_path` turns our path into the one below `base_url`. `is_terminal` tells from the end of a
    stream whether the client will take it for finished. All functions are pure.
    """

    name: str
    base_url: str
    endpoints: frozenset[str]
    passed_through: frozenset[str]
    upstream_path: Callable[[str], str]
    prepare: Callable[[bytes], Prepared]
    usage_filter: Callable[[], StreamFilter]
    is_terminal: Callable[[bytes], bool]
    read_exchange: ReadExchange
