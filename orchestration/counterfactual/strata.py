"""How many prompts of each stratum a sample has."""

from collections.abc import Mapping
from typing import Final, LiteralString

STRATA: Final[Mapping[str, LiteralString]] = {
    "model": "calls.requested_model",
    "prompt": "coalesce(calls.prompt_name, '(none)')",
    "project": "coalesce(calls.project, '(none)')",
    "environment": "coalesce(calls.environment, '(none)')",
}
"""What a sample may be stratified by: a name and its expression over `raw.llm_calls`."""

OTHERS: Final = "(others)"
_FEWEST: Final = 2
"""Prompts of a stratum: one says nothing about how alike they are."""


def allot(sizes: Mapping[str, int], *, sample: int) -> dict[str, int]:
    """Prompts to draw from each stratum (of these sizes): two, and of the rest in proportion to it.

    Where there are more strata than a quarter of the sample, the small ones are one, called `(others)`;
    strata that nobody names in the result belong to it. The whole is `sample`, or all calls.
    """
    known = merge_small(sizes, most=max(1, sample // 4))
    total = sum(known.values())
    if total <= sample:
        return dict(known)
    least = {name: min(_FEWEST, size) for name, size in known.items()}
    left = max(0, sample - sum(least.values()))
    room = {name: size - least[name] for name, size in known.items()}
    shares = {name: left * size / (sum(room.values()) or 1) for name, size in room.items()}
    drawn = {name: least[name] + int(shares[name]) for name in known}
    # The largest remainders get what rounding down has left; names decide between equal ones.
    by_remainder = sorted(known, key=lambda name: (int(shares[name]) - shares[name], name))
    rest = left - sum(int(share) for share in shares.values())
    for name in [name for name in by_remainder if drawn[name] < known[name]][:rest]:
        drawn[name] += 1
    return drawn


def merge_small(sizes: Mapping[str, int], *, most: int) -> dict[str, int]:
    """The sizes of at most `most` strata: the largest as they are, all others together as `(others)`."""
    ordered = sorted(sizes, key=lambda name: (-sizes[name], name))
    if len(ordered) <= most:
        return {name: sizes[name] for name in ordered}
    kept = ordered[: most - 1]
    others = sum(sizes[name] for name in ordered[most - 1 :])
    return {**{name: sizes[name] for name in kept}, OTHERS: others}
