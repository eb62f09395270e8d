"""Judging policies: which calls a judge is asked about, and what that may cost."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

STRATA = ("model", "prompt", "user", "project")
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
MOST_A_STRATUM = 10_000
LISTS = ("strata", "models", "prompts", "projects")

COLUMNS: LiteralString = """
    policy, rate, on_failure, strata, min_per_stratum, models, prompts, projects, max_usd_per_day,
    max_usd_per_backfill, max_calls_per_day, max_calls_per_backfill, applies_from
"""

PUT: LiteralString = f"""
insert into evaluation.judge_policies ({COLUMNS})
values (
    %(policy)s, %(rate)s, %(on_failure)s, %(strata)s, %(min_per_stratum)s,
    %(models)s, %(prompts)s, %(projects)s,
    %(max_usd_per_day)s, %(max_usd_per_backfill)s, %(max_calls_per_day)s, %(max_calls_per_backfill)s,
    coalesce(%(applies_from)s, (now() at time zone 'UTC')::date)
)
on conflict (policy) do update
set rate = excluded.rate,
    on_failure = excluded.on_failure,
    strata = excluded.strata,
    min_per_stratum = excluded.min_per_stratum,
    models = excluded.models,
    prompts = excluded.prompts,
    projects = excluded.projects,
    max_usd_per_day = excluded.max_usd_per_day,
    max_usd_per_backfill = excluded.max_usd_per_backfill,
    max_calls_per_day = excluded.max_calls_per_day,
    max_calls_per_backfill = excluded.max_calls_per_backfill,
    applies_from = coalesce(%(applies_from)s, judge_policies.applies_from),
    updated_at = now()
returning {COLUMNS}
"""


class PolicyError(ValueError):
    """A policy cannot be what was asked for; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A sampling plan and its budget; mirrors `evaluation.judge_policies`.

    A call is selected where its sample point (0 to 1, from its id and the policy's name) is below `rate`;
    with `on_failure`, also where it fails a rule of severity above info. When its day is closed, each
    stratum (equal values of `strata`) is topped up to `min_per_stratum` calls. `models`, `prompts` and
    `projects` limit which calls are eligible at all (None: all). Budgets are in USD and in paid requests, for
    a UTC day of asking or for a whole backfill (without a limit of its own, the day's holds). Days before
    `applies_from` are judged by backfills alone. Raises PolicyError.
    """

    policy: str
    rate: float = 0.05
    on_failure: bool = True
    strata: Sequence[str] = ("model",)
    min_per_stratum: int = 0
    models: Sequence[str] | None = None
    prompts: Sequence[str] | None = None
    projects: Sequence[str] | None = None
    max_usd_per_day: Decimal | None = None
    max_usd_per_backfill: Decimal | None = None
    max_calls_per_day: int | None = None
    max_calls_per_backfill: int | None = None
    applies_from: date | None = None

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise PolicyError(f"policy {self.policy!r:.80}: {problem}")

    @property
    def has_budget_in_usd(self) -> bool:
        return self.max_usd_per_day is not None or self.max_usd_per_backfill is not None

    def _problem(self) -> str | None:
        amounts = (self.max_usd_per_day, self.max_usd_per_backfill)
        counts = (self.max_calls_per_day, self.max_calls_per_backfill)
        checks = {
            "a name is a lower-case letter, then letters, digits, - and _": not NAME.fullmatch(self.policy),
            f"the rate is {self.rate}, not between 0 and 1": not 0 <= self.rate <= 1,
            f"strata are of {', '.join(STRATA)}": not set(self.strata) <= set(STRATA),
            f"the minimum of a stratum is between 0 and {MOST_A_STRATUM}": not (
                0 <= self.min_per_stratum <= MOST_A_STRATUM
            ),
            "a budget in USD is 0 or more": any(
                usd is not None and (not usd.is_finite() or usd < 0) for usd in amounts
            ),
            "a budget in calls is 0 or more": any(count is not None and count < 0 for count in counts),
        }
        return next((problem for problem, is_broken in checks.items() if is_broken), None)


def put_policy(connection: Connection[TupleRow], policy: Policy) -> Policy:
    """Add the policy or change the one of its name, and return it as it stands."""
    given = {field.name: getattr(policy, field.name) for field in fields(policy)}
    lists = {name: None if given[name] is None else list(given[name]) for name in LISTS}
    with connection.transaction(), connection.cursor(row_factory=class_row(Policy)) as cursor:
        row = cursor.execute(PUT, {**given, **lists}).fetchone()
    assert row is not None
    return row


def list_policies(connection: Connection[TupleRow], name: str | None = None) -> list[Policy]:
    """All policies, or the one of a name."""
    query: LiteralString = f"""
        select {COLUMNS} from evaluation.judge_policies
        where %(name)s::text is null or policy = %(name)s
        order by policy
    """
    with connection.transaction(), connection.cursor(row_factory=class_row(Policy)) as cursor:
        return cursor.execute(query, {"name": name}).fetchall()
