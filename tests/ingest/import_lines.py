"""Lines of canonical JSONL for tests, and a way to import them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingest.database.url import DatabaseUrl
from ingest.importers.files import import_files
from ingest.importers.summary import ImportSummary
from ingest.settings import Settings

NOON = datetime(2026, 11, 19, 12, tzinfo=UTC)


def record(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A call with an id of its own; a change to `...` leaves the member out."""
    started_at = NOON + timedelta(seconds=number)
    members: dict[str, Any] = {
        "external_id": f"call-{number}",
        "started_at": started_at.isoformat(),
        "endpoint": "/v1/chat/completions",
        "provider": "openai",
        "requested_model": "gpt-4o",
        "latency_ms": 750.5,
        "input_text": f"question {number}",
        "output_text": f"answer {number}",
        **changes,
    }
    return {name: value for name, value in members.items() if value is not ...}


def line(number: int = 0, **changes: Any) -> bytes:
    return json.dumps(record(number, **changes), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def lines(count: int, **changes: Any) -> bytes:
    return b"".join(line(number, **changes) for number in range(count))


class Importer:
    """Imports into one warehouse with one home."""

    def __init__(self, home: Path, url: DatabaseUrl) -> None:
        self.settings = Settings(home=home)
        self.url = url

    def __call__(self, *paths: Path) -> ImportSummary:
        return import_files(paths, settings=self.settings, url=self.url)
