"""What the pages of a provider's report state of which time, so that none counts twice and a gap is said.

A page holds buckets of time, each whole, in order. Given twice, or once by the day and once by the hour, its
tokens and dollars would be counted twice; a page left out would look like days without use.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

Span = tuple[datetime, datetime]


@dataclass(slots=True)
class Pages:
    """The buckets of all pages of one import so far."""

    results: set[str] = field(default_factory=set[str])
    spans: dict[str, set[Span]] = field(default_factory=dict[str, set[Span]])
    continued: list[datetime | None] = field(default_factory=list[datetime | None])

    def bucket(self, bucket: Mapping[str, Any], *, start: str, end: str, kind: str = "") -> None:
        """Take note of a bucket, which names its times by `start` and `end`, and of what `kind` it states."""
        span = _time(bucket.get(start)), _time(bucket.get(end))
        if span[0] is not None and span[1] is not None and span[0] < span[1]:
            self.spans.setdefault(kind, set()).add((span[0], span[1]))

    def result(self, bucket: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Take note of a result. Raises ValueError for one that the same bucket has stated before."""
        times = {name: value for name, value in bucket.items() if not isinstance(value, list)}
        said = json.dumps([times, result], sort_keys=True, default=str)
        if said in self.results:
            raise ValueError("the same result of the same time again: a page that is given twice?")
        self.results.add(said)

    def end(self, page: Mapping[str, Any], *, end: str) -> None:
        """Take note of whether the page says that another follows."""
        if page.get("has_more"):
            buckets = page.get("data")
            last = buckets[-1] if isinstance(buckets, list) and buckets else None
            self.continued.append(_time(last.get(end)) if isinstance(last, dict) else None)

    def overlap(self) -> str | None:
        """Which buckets of one kind share a time: of pages that were asked for by other widths."""
        for kind, spans in self.spans.items():
            ordered = sorted(spans)
            for first, second in pairwise(ordered):
                if kind and second[0] < first[1]:
                    return f"{kind} of {_said(first)} and of {_said(second)} are about the same time"
        return None

    def notes(self) -> list[str]:
        """What seems to be missing."""
        spans = sorted(set[Span]().union(*self.spans.values()))
        starts = {start for start, _ in spans}
        notes = [
            f"has_more, but no page goes on{f' from {end:%Y-%m-%d %H:%M}' if end else ''}: pages are missing"
            for end in self.continued
            if end not in starts
        ]
        for first, second in pairwise(spans):
            if first[1] < second[0] and first[1] not in self.continued:
                notes.append(f"nothing is stated of {_said((first[1], second[0]))}")
        return notes


def _time(value: object) -> datetime | None:
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        at = datetime.fromisoformat(str(value))
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _said(span: Span) -> str:
    return f"{span[0]:%Y-%m-%d %H:%M} to {span[1]:%Y-%m-%d %H:%M}"
