"""Reads the usage objects of a frame and finds each call's rates: of calls that are alike together."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluators.pricing.book import call_tier, rounded, unpriced_reason
from evaluators.pricing.plans import PlanFinder
from evaluators.usage import BUCKETS, N_INPUT, Unbucketed, count_tokens, fee_of, reported_cost
from evaluators.usage_alike import Alike, read_alike
from evaluators.usage_columns import NotAlikeError
from evaluators.usage_fields import ManyCounts
from evaluators.usage_shapes import Counts

MAY_REPORT: Final = ("cost", "cost_in_usd_ticks")
Numbers = NDArray[np.int64]


class Group(NamedTuple):
    """What calls that are read together have in common; `service_tier` as stated beside the usage."""

    provider: str
    model: str
    endpoint: str
    service_tier: str | None


class FrameReading:
    """What was read of a frame's calls.

    `counts`: tokens by bucket and row (0 where `has_counts` is false); `found`: the number of a row's plan or
    reason in `finder.found`; `reported`: the provider's own figure.
    """

    def __init__(self, frame: pl.DataFrame, finder: PlanFinder) -> None:
        n = len(frame)
        self.counts: Final = np.zeros((len(BUCKETS), n), np.int64)
        self.has_counts: Final = np.zeros(n, np.bool_)
        self.found: Final = np.zeros(n, np.int64)
        self.reported: Final[list[Decimal | None]] = [None] * n
        self._finder = finder
        self._texts: list[Any] = frame["usage"].to_list()
        self._is_given = frame["usage"].is_not_null().to_numpy()
        self._at_us: Numbers = frame["started_at"].dt.epoch("us").to_numpy()
        for group, rows in _groups(frame):
            self._read(group, rows)

    def _read(self, group: Group, rows: Numbers) -> None:
        given = rows[self._is_given[rows]]
        texts: list[str] = [self._texts[row] for row in given.tolist()]
        is_read = np.zeros(len(given), np.bool_)
        for alike in read_alike(texts, lambda usage: _read_columns(usage, group)):
            self._keep(alike, group, given[alike.places])
            is_read[alike.places] = True
        for row in [*given[~is_read].tolist(), *rows[~self._is_given[rows]].tolist()]:
            self._read_one(group, row)

    def _keep(self, alike: Alike["_Reading"], group: Group, rows: Numbers) -> None:
        counts, tier, reason = alike.found
        given = np.zeros(len(rows), np.int64)
        if counts is not None:
            self.has_counts[rows] = True
            for bucket, count in enumerate(counts):
                if isinstance(count, ManyCounts) or count:
                    tokens = alike.numbers(count)
                    self.counts[bucket, rows] = tokens
                    given += tokens if bucket < N_INPUT else 0
        if reason is None:
            key = (group.provider, group.model, tier)
            self.found[rows] = self._finder.find_many(key, self._at_us[rows], given)
        else:
            self.found[rows] = self._finder.number(reason)

    def _read_one(self, group: Group, row: int) -> None:
        usage = _decoded(self._texts[row])
        counts, tier, reason = _read_usage(usage, group)
        if counts is not None:
            self.has_counts[row] = True
            self.counts[:, row] = counts
            if reason is None:
                key = (group.provider, group.model, tier)
                self.found[row] = self._finder.find(key, int(self._at_us[row]), sum(counts[:N_INPUT]))
        if reason is not None:
            self.found[row] = self._finder.number(reason)
        if _may_report(usage):
            self.reported[row] = rounded(reported_cost(usage))


class _Reading(NamedTuple):
    """The counts of a usage object, if it has any, and the tier to price them at or why nobody can."""

    counts: Counts | None
    tier: str = ""
    reason: str | None = None


def _read_usage(usage: Any, group: Group) -> _Reading:
    counts = count_tokens(usage, provider=group.provider, endpoint=group.endpoint)
    if isinstance(counts, Unbucketed):
        return _Reading(None, reason=unpriced_reason(counts))
    if fee := fee_of(usage):
        return _Reading(counts, reason=f"unpriced_fee:{fee}")
    return _Reading(counts, call_tier(usage, stated=group.service_tier))


def _read_columns(usage: Any, group: Group) -> _Reading:
    if _may_report(usage):
        raise NotAlikeError  # an amount of money is no count
    return _read_usage(usage, group)


def _may_report(usage: object) -> bool:
    return isinstance(usage, dict) and any(name in usage for name in MAY_REPORT)


def _decoded(text: str | None) -> object:
    """The usage object; text that is no JSON stands for itself, which is a malformed usage."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _groups(frame: pl.DataFrame) -> Iterator[tuple[Group, Numbers]]:
    names = Group._fields
    rows = pl.int_range(pl.len()).alias("row")
    filled = frame.select(*(pl.col(name).fill_null("") for name in names[:3]), pl.col(names[3]), rows)
    groups = filled.group_by(names, maintain_order=True).agg("row")
    for same, numbers in zip(groups.select(names).iter_rows(), groups["row"], strict=True):
        yield Group(*same), numbers.to_numpy()
