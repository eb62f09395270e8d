"""What a newer genai-prices changes about a model that an older one's prices were copied of.

The library forgets: it drops old prices, and then states the newest one without a date. So of a bucket and
service tier, an undated price speaks only from the last change of price that our copy holds before it, and
what the library does not name at all is kept. Everything else that it says, it says about all its time.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from evaluators.pricing.rows import ALWAYS, PriceRow

Span = tuple[datetime, datetime | None]
"""A half-open range of call times; None: open."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """Rows to add (id 0), held rows to supersede, and the call times at which some price comes out another.

    Added rows win over the rows that stay by being recorded later. A held row stays as long as it is right
    somewhere, so that the charges made from it are not made again from an equal one.
    """

    added: tuple[PriceRow, ...] = ()
    superseded: tuple[PriceRow, ...] = ()
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A range in which nothing changes: the held row in force, and the library's where it speaks."""

    start: datetime
    end: datetime | None
    held: PriceRow | None
    learnt: PriceRow | None

    @property
    def is_changed(self) -> bool:
        return _usd(self.held) != _usd(self.learnt)

    @property
    def is_removed(self) -> bool:
        return self.held is not None and self.learnt is None


def renew(held: Iterable[PriceRow], learnt: Sequence[PriceRow]) -> Renewal:
    """The changes that make `held`, the current copies of one model, say what `learnt`, a newer library's
    rows of it, say; nothing if both give every call the same prices."""
    held_groups, learnt_groups = _by_group(held), _by_group(learnt)
    added: list[PriceRow] = []
    superseded: list[PriceRow] = []
    spans: set[Span] = set()
    for group, rows in learnt_groups.items():
        start = _speaks_from(rows, held_groups[group])
        chains, held_chains = _by_chain(rows), _by_chain(held_groups[group])
        for chain in {**chains, **held_chains}:
            stretches = _stretches(held_chains[chain], chains[chain], start=start)
            gone = _superseded(held_chains[chain], stretches)
            superseded += gone
            added += _added(stretches, gone)
            spans |= {(item.start, item.end) for item in stretches if item.is_changed}
    return Renewal(tuple(added), tuple(superseded), tuple(sorted(spans, key=lambda span: span[0])))


def _by_group(rows: Iterable[PriceRow]) -> defaultdict[object, list[PriceRow]]:
    """By bucket and service tier: what the library prices together, however it cuts hours and input."""
    groups: defaultdict[object, list[PriceRow]] = defaultdict(list)
    for row in rows:
        groups[row.bucket, row.service_tier.partition("@")[0]].append(row)
    return groups


def _by_chain(rows: Iterable[PriceRow]) -> defaultdict[object, list[PriceRow]]:
    """By what follows one another in time: one price for one kind of request."""
    chains: defaultdict[object, list[PriceRow]] = defaultdict(list)
    for row in rows:
        chains[row.service_tier, row.min_input_tokens].append(row)
    return chains


def _speaks_from(learnt: Iterable[PriceRow], held: Iterable[PriceRow]) -> datetime:
    """The first call time of a group about which the library says more than that it forgot."""
    edges = _edges(learnt)
    dated = min(edges - {ALWAYS}, default=None)
    if dated is not None and ALWAYS not in edges:
        return dated
    return max((edge for edge in _edges(held) if dated is None or edge < dated), default=ALWAYS)


def _edges(rows: Iterable[PriceRow]) -> set[datetime]:
    return {edge for row in rows for edge in (row.valid_from, row.valid_to) if edge is not None}


def _stretches(held: Sequence[PriceRow], learnt: Sequence[PriceRow], *, start: datetime) -> list[_Stretch]:
    """One chain's time in pieces, in order; before `start` the held row is taken as the library's, too."""
    edges = sorted(_edges(held) | _edges(learnt) | {start})
    stretches: list[_Stretch] = []
    for edge, end in zip(edges, [*edges[1:], None], strict=True):
        before = _in_force(held, edge)
        after = before if edge < start else _in_force(learnt, edge)
        stretches.append(_Stretch(edge, end, before, after))
    return stretches


def _in_force(rows: Iterable[PriceRow], at: datetime) -> PriceRow | None:
    holding = [row for row in rows if row.valid_from <= at and (row.valid_to is None or at < row.valid_to)]
    return max(holding, key=lambda row: (row.recorded_at, row.valid_from, row.id), default=None)


def _superseded(held: Iterable[PriceRow], stretches: Sequence[_Stretch]) -> list[PriceRow]:
    """Rows that are right nowhere any more, and those that reach into a time that has no price now: there
    no later row can hide them."""
    removed = [item for item in stretches if item.is_removed]
    right = {item.held.id for item in stretches if item.held is not None and not item.is_changed}
    changed = {item.held.id for item in stretches if item.held is not None and item.is_changed}
    return [
        row
        for row in held
        if row.id in changed - right or any(_in_force([row], item.start) for item in removed)
    ]


def _added(stretches: Iterable[_Stretch], gone: Iterable[PriceRow]) -> list[PriceRow]:
    """The library's rows cut to where they say something else, and what stays right of superseded ones."""
    gone_ids = {row.id for row in gone}
    added: list[tuple[PriceRow, PriceRow]] = []
    for item in stretches:
        stays = item.held if item.held is not None and item.held.id in gone_ids else None
        origin = item.learnt if item.is_changed else stays
        if origin is None:
            continue
        row = replace(origin, id=0, price_version=0, valid_from=item.start, valid_to=item.end)
        if added and added[-1][0] is origin and added[-1][1].valid_to == item.start:
            added[-1] = (origin, replace(added[-1][1], valid_to=item.end))
        else:
            added.append((origin, row))
    return [row for _, row in added]


def _usd(row: PriceRow | None) -> object:
    return None if row is None else row.usd_per_million
