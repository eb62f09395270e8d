"""Estimates as people read them."""

from evaluators.statistics.estimate import Estimate


def figure(found: Estimate) -> str:
    """`0.505 [0.461, 0.549]`; a dash where nothing is known, no brackets where there is no interval."""
    if not found.is_known:
        return "–"
    ends = f" [{found.low:.3f}, {found.high:.3f}]" if found.has_interval else ""
    return f"{found.value:.3f}{ends}"
