"""The Mooncake trace as calls of one day, with the cached share that its prefixes allow.

    python -m tests.benchmarks.mooncake_calls ../shared/data/mooncake_conversation.jsonl.xz > mooncake.jsonl
    lqo import mooncake.jsonl

A request's cached tokens are its longest prefix of 512-token blocks that an earlier request had: what a cache
without limits of size or time would serve. The share goes to standard error, and the marts give the same one:

    lqo sql "select sum(cache_read) / sum(cache_read + input_uncached) from marts.cost_hourly"

Trace: Qin et al. 2024, Mooncake (Apache-2.0), one hour of a chat assistant's traffic.
"""

import json
import lzma
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import typer

BLOCK_TOKENS: Final = 512
MODEL: Final = "gpt-4o-mini"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the trace: when, its tokens, and how many of its input an earlier one had in common."""

    at: timedelta
    input_tokens: int
    cached_tokens: int
    output_tokens: int

    @property
    def usage(self) -> dict[str, Any]:
        """What OpenAI would report of it."""
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


def read_trace(path: Path) -> Iterator[Request]:
    """The requests in their order, which is that of their arrival."""
    seen: set[int] = set()
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            n_known = next((n for n, block in enumerate(row["hash_ids"]) if block not in seen), None)
            common = len(row["hash_ids"]) if n_known is None else n_known
            seen.update(row["hash_ids"])
            yield Request(
                timedelta(milliseconds=row["timestamp"]),
                row["input_length"],
                min(common * BLOCK_TOKENS, row["input_length"]),
                row["output_length"],
            )


def cached_share(requests: Iterable[Request]) -> tuple[int, int]:
    """(cached, all) input tokens."""
    cached = total = 0
    for request in requests:
        cached += request.cached_tokens
        total += request.input_tokens
    return cached, total


def main(path: Path, day: datetime = datetime(2026, 11, 1)) -> None:  # noqa: DTZ001
    """Write the calls as JSON lines."""
    requests = list(read_trace(path))
    for number, request in enumerate(requests):
        call = {
            "external_id": f"mooncake-{number}",
            "started_at": (day.replace(tzinfo=UTC) + request.at).isoformat(),
            "provider": "openai",
            "requested_model": MODEL,
            "endpoint": "/v1/chat/completions",
            "usage": request.usage,
            "project": "mooncake",
        }
        sys.stdout.write(json.dumps(call) + "\n")
    cached, total = cached_share(requests)
    sys.stderr.write(f"{cached:,} of {total:,} input tokens are cached: {cached / total:.6f}\n")


if __name__ == "__main__":
    typer.run(main)
