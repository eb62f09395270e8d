"""The built-in metrics, listed by hand: figures that stand outside the marts or need more than SQL."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.reading.budgets import budget_burn, budget_spent
from orchestration.alerts.reading.failing_share import failing_share
from orchestration.alerts.reading.operations import dead_letters, held_hours
from orchestration.alerts.reading.types import Group, Sums, Window

Reader: TypeAlias = Callable[[psycopg.Connection[TupleRow], Rule, Sequence[Window]], list[dict[Group, Sums]]]

BUILT_IN: Mapping[str, Reader] = {
    "failing_share": failing_share,
    "budget_spent": budget_spent,
    "budget_burn": budget_burn,
    "held_hours": held_hours,
    "dead_letters": dead_letters,
}
