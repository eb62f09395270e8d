"""The `x-lqo-*` request headers: what a client says about its call, kept and never forwarded."""

from typing import get_args

from ingest.call import Purpose
from ingest.proxy.http import Headers
from ingest.spool.records import PARENT_SPAN

_FIELDS = {
    b"x-lqo-project": "project",
    b"x-lqo-environment": "environment",
    b"x-lqo-user": "user_id",
    b"x-lqo-session": "session_id",
    b"x-lqo-trace": "trace_id",
    b"x-lqo-prompt-name": "prompt_name",
    b"x-lqo-prompt-version": "prompt_version",
    b"x-lqo-tags": "tags",
}
_PURPOSES: frozenset[str] = frozenset(get_args(Purpose))
_LONGEST = 1024
_LONGEST_TAGS = 8192


def read_observer(headers: Headers) -> dict[str, str]:
    """The recognised headers under the names of `Call`'s fields; `tags` stays the JSON text it is.

    Values are UTF-8 (else Latin-1) and cut at 1,024 characters, tags at 8,192. Without a trace of its
    own, a call takes the one in `traceparent` (https://www.w3.org/TR/trace-context/).
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if field := _FIELDS.get(name):
            found[field] = _text(value)[: _LONGEST_TAGS if field == "tags" else _LONGEST]
        elif name == b"traceparent" and value.count(b"-") == 3:
            _, trace_id, parent, _ = value.decode("latin-1").split("-")
            found.setdefault("trace_id", trace_id)
            if found["trace_id"] == trace_id:
                found[PARENT_SPAN] = parent[:16]
    return found


def read_purpose(headers: Headers) -> str:
    """product, judge, replay or demo; anything else counts as product."""
    value = next((value for name, value in headers if name == b"x-lqo-purpose"), b"").decode("latin-1")
    return value if value in _PURPOSES else "product"


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
