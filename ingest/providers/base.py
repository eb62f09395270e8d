"""What the proxy and the loader ask of a provider module.

What is made once a call is a msgspec Struct: of eight fields it takes 0.1 µs to make, a frozen dataclass 2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec

Headers = Sequence[tuple[bytes, bytes]]


_NEVER_ASKED = frozenset({"mistral"})
"""Mistral says its usage anyway and refuses `stream_options` with 422."""

Wire = Literal["openai", "anthropic", "gemini", "azure"]
"""The protocol on the line: a call may only fall back to a target that speaks the same.

`azure` is OpenAI's with the model in the path (`/openai/deployments/{model}/…`).
"""


class Prepared(msgspec.Struct, frozen=True):
    """A request as it goes upstream: `path` (with its query) below the target's base URL, and `body`, which
    differs from the client's only where the provider module had to ask for usage; then `strips_usage` says
    that the answer to that must not reach the client. `output_limit` is the most tokens the client wants.

    `requested_model` is empty where nobody can say which model the provider would read; `problem` is one
    line on why the request must not be sent at all. `secret_query` is the client's key where it came in the
    query (`key=…`): it is not in `path` and goes upstream only with the client's own key. `unasked` is the
    client's own body where usage was asked for.
    """

    body: bytes
    path: str = ""
    requested_model: str = ""
    is_streamed: bool = False
    strips_usage: bool = False
    output_limit: int | None = None
    secret_query: str = ""
    problem: str | None = None
    unasked: bytes | None = None

    def taken_by(self, provider: str) -> "Prepared":
        """The request as a provider of this name takes it."""
        if self.unasked is None or provider not in _NEVER_ASKED:
            return self
        return msgspec.structs.replace(self, body=self.unasked, unasked=None)

    def path_below(self, *, forwards_key: bool) -> str:
        """`path`, with the key that came in the query where the client's key is forwarded."""
        if not (forwards_key and self.secret_query):
            return self.path
        return f"{self.path}{'&' if '?' in self.path else '?'}{self.secret_query}"


class Reading(msgspec.Struct, frozen=True):
    """What an answer says of itself, read at its end on the event loop: for limits, prices and metrics.

    `service_tier` is the one the answer says beside its usage object (OpenAI, Groq, OpenRouter).
    """

    served_model: str | None = None
    usage: dict[str, Any] | None = None
    service_tier: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a request and its response say, read off the hot path.

    `input_text` is the last user message; `output_text` the answer (None where there is none at all,
    as in an error). `usage_raw` is the provider's usage object as received, `usage` the same, read;
    `service_tier` is the one the answer says beside it.
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
    service_tier: str | None = None


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


class Prepare(Protocol):
    def __call__(self, body: bytes, *, path: str, query: str) -> Prepared: ...


class WithModel(Protocol):
    def __call__(self, prepared: Prepared, *, model: str) -> Prepared: ...


class ReadUsage(Protocol):
    def __call__(self, *, head: bytes, tail: bytes) -> Reading: ...


class ErrorBody(Protocol):
    def __call__(self, message: str, *, kind: str, status: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's HTTP dialect. All functions are pure.

    A provider with several dialects (chat, responses, embeddings) is several of these with one name.
    `endpoint_of` gives the bounded name of a recorded path (a model in it replaced by `{model}`), None for
    any other; `is_passed_through` tells what is only forwarded. `prepare` reads the request and says where
    below a base URL it goes; `with_model` asks the same of another model. `secret_header` carries a key as
    this provider takes it. `is_terminal` tells from the end of a stream whether the frame has begun that a
    client takes for the last. `read_usage` gets the first and last kilobytes of an answer (all of a short
    one, in `tail`).
    """

    name: str
    wire: Wire
    base_url: str
    endpoint_of: Callable[[str], str | None]
    is_passed_through: Callable[[str, Headers], bool]
    upstream_path: Callable[[str], str]
    prepare: Prepare
    with_model: WithModel
    secret_header: Callable[[str], tuple[str, str]]
    usage_filter: Callable[[], StreamFilter]
    is_terminal: Callable[[bytes], bool]
    read_usage: ReadUsage
    read_exchange: ReadExchange
    error_body: ErrorBody
