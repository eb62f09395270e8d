"""Exchanges with providers, to be replayed: some of our own that are always here, and thousands recorded."""

import json
import lzma
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ingest.providers.base import Wire
from tests.ingest.framing import chat_frames, content_frames, message_frames, response_frames

_HOSTS = (
    "openai",
    "anthropic",
    "googleapis",
    "groq",
    "mistral",
    "openrouter",
    "deepseek",
    "cerebras",
    "azure",
)


@dataclass(frozen=True)
class Recorded:
    """One exchange. `path` is where a client sends it, `response` the plain answer's bytes."""

    name: str
    wire: Wire
    path: str
    request: dict[str, Any]
    document: dict[str, Any]
    status: int = 200

    @cached_property
    def response(self) -> bytes:
        # Spacing that no serialiser of ours makes, so that a body written anew would show.
        return json.dumps(self.document, indent=1, ensure_ascii=len(self.name) % 2 == 0).encode()

    @property
    def streams(self) -> bool:
        """Whether its provider would stream it."""
        if self.status != 200:
            return False
        if self.wire == "openai":
            return "choices" in self.document or isinstance(self.document.get("output"), list)
        return "content" in self.document or "candidates" in self.document

    def frames(self, *, with_usage: bool = True, is_array: bool = False) -> list[bytes]:
        """The same answer as its provider streams it."""
        if self.wire == "anthropic":
            return message_frames(self.document)
        if self.wire == "gemini":
            return content_frames(self.document, is_array=is_array)
        if "choices" in self.document:
            return chat_frames(self.document, with_usage=with_usage)
        return response_frames(self.document)


def recorded_exchanges(shared_data: Path) -> list[Recorded]:
    """The recorded exchanges that one of the served dialects can carry."""
    with lzma.open(shared_data / "provider_payloads.jsonl.xz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = [_recorded(number, row) for number, row in enumerate(rows) if isinstance(row["request"], dict)]
    return [each for each in found if each is not None]


def _recorded(number: int, row: dict[str, Any]) -> Recorded | None:
    host, request, document = row["host"], row["request"], row["response"]
    place = _place(request, document) if any(name in host for name in _HOSTS) else None
    if "anthropic" in host and "messages" in request:
        place = "anthropic", "/v1/messages"
    if place is None:
        return None
    wire, path = place
    return Recorded(f"recorded-{number}", wire, path, request, document, row["status"])


def _place(request: dict[str, Any], document: dict[str, Any]) -> tuple[Wire, str] | None:
    if "contents" in request and ("candidates" in document or "error" in document):
        model = document.get("modelVersion", "gemini-unknown").removeprefix("models/")
        return "gemini", f"/v1beta/models/{model}:generateContent"
    if "messages" in request and ("choices" in document or "error" in document):
        return "openai", "/v1/chat/completions"
    if "input" in request and document.get("object") == "list":
        return "openai", "/v1/embeddings"
    if "input" in request and ("output" in document or "error" in document):
        is_compaction = document.get("object") == "response.compaction"
        return "openai", "/v1/responses/compact" if is_compaction else "/v1/responses"
    return None


def _small() -> dict[str, Recorded]:
    rows = json.loads(Path(__file__).with_name("small_exchanges.json").read_text(encoding="utf-8"))
    return {row["name"]: Recorded(**row) for row in rows}


SMALL_BY_NAME = _small()
SMALL = tuple(SMALL_BY_NAME.values())
