"""A rule's verdicts at every moment of a span, from its series: the live conditions on larger arrays."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.engine.backtest.replay import Grid
from orchestration.alerts.engine.conditions.figures import kind_of
from orchestration.alerts.engine.conditions.judge import judge
from orchestration.alerts.engine.conditions.windows import windows_of
from orchestration.alerts.engine.series import Totals
from orchestration.alerts.engine.verdict import Verdicts
from orchestration.alerts.reading.types import Floats

# Of moments × groups at a time: some 30 arrays of them are at hand at once.
MOST_CELLS = 250_000


def grid_of(rule: Rule, totals: Totals, *, moments: Sequence[datetime]) -> Grid:
    """The verdicts at the moments, in chunks of moments so that memory stays bounded."""
    n_groups = max(1, len(totals.places))
    size = max(1, MOST_CELLS // n_groups)
    parts = [
        verdicts_at(rule, totals, moments=moments[at : at + size]) for at in range(0, len(moments), size)
    ]
    return Grid(
        codes=np.concatenate([part.outcomes for part in parts]),
        value=_joined([part.value for part in parts]),
        threshold=_joined([part.threshold for part in parts]),
        baseline=_joined([_or_nan(part.baseline, part) for part in parts]),
        n=_joined([part.n for part in parts]),
        q=_joined([_or_nan(part.q, part) for part in parts]),
    )


def verdicts_at(rule: Rule, totals: Totals, *, moments: Sequence[datetime]) -> Verdicts:
    """Moments × groups."""
    windows = [windows_of(rule, now=moment) for moment in moments]
    kind = kind_of(rule)
    return judge(rule, [totals.figures(kind, column) for column in zip(*windows, strict=True)])


def _or_nan(values: Floats | None, like: Verdicts) -> Floats:
    return np.full(like.value.shape, np.nan) if values is None else values


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(list(parts))
