"""What a built-in condition gives, and how one is called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.engine.store import Held
from orchestration.alerts.engine.verdict import Verdict
from orchestration.alerts.reading.types import Group, Sums, Window


@dataclass(frozen=True, slots=True)
class BuiltInReading:
    """Verdicts by group, the window that the data lies in, and what a gate keeps from being told."""

    verdicts: Mapping[Group, Verdict]
    window: Window
    silenced: Sequence[str] = ()


class BuiltIn(Protocol):
    """Reads and judges; None where there is nothing to read yet. `held` is by the groups' text."""

    def __call__(
        self, connection: psycopg.Connection[TupleRow], rule: Rule, *, now: datetime, held: Mapping[str, Held]
    ) -> BuiltInReading | None: ...


class Words(Protocol):
    """What a built-in metric says of a verdict, instead of the general words."""

    def __call__(self, rule: Rule, verdict: Verdict, sums: Sums) -> str: ...
