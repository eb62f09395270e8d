"""What judging may cost: reserved before a judge is asked, settled by what it did cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.judging.policies import Policy

Scope = Literal["day", "backfill"]

SPENT: LiteralString = """
select n_calls, amount_usd from evaluation.judge_spend
where policy = %(policy)s and scope = %(scope)s and subject = %(subject)s
"""

SPEND: LiteralString = """
insert into evaluation.judge_spend (policy, scope, subject, n_calls, amount_usd, n_unpriced)
values (%(policy)s, %(scope)s, %(subject)s, %(n_calls)s, %(usd)s, %(n_unpriced)s)
on conflict (policy, scope, subject) do update
set n_calls = judge_spend.n_calls + excluded.n_calls,
    amount_usd = judge_spend.amount_usd + excluded.amount_usd,
    n_unpriced = judge_spend.n_unpriced + excluded.n_unpriced
"""


class NoPriceError(ValueError):
    """A budget in USD cannot be kept, since the model has no price; the message is one line."""


@dataclass(slots=True)
class Purse:
    """One policy's budget of a run, as far as it is spent or reserved.

    `scope` and `subject` say what is counted: a UTC day of asking, or a backfill. Limits None do not bind.
    `asked_on` is the day of asking where that is not today (an answer of a batch). What other runs spend of
    the same budget meanwhile counts from the next commit on (`others_*`, by what the warehouse has beyond
    `opened_*` and what this run has written).
    """

    policy: str
    scope: Scope
    subject: str
    max_usd: Decimal | None
    max_calls: int | None
    spent_usd: Decimal = Decimal(0)
    spent_calls: int = 0
    reserved_usd: Decimal = Decimal(0)
    reserved_calls: int = 0
    asked_on: date | None = None
    opened_usd: Decimal = Decimal(0)
    opened_calls: int = 0
    written_usd: Decimal = Decimal(0)
    written_calls: int = 0
    others_usd: Decimal = Decimal(0)
    others_calls: int = 0

    def reserve(self, usd: Decimal | None) -> bool:
        """Set aside what a call may cost; False where the rest of the budget is not enough.

        Raises NoPriceError for a call without a price under a budget in USD.
        """
        if self.max_usd is not None and usd is None:
            raise NoPriceError(
                f"policy {self.policy} has a budget in USD, but the judge's model has no price"
                " (`lqo prices import`, or a budget in calls)"
            )
        usd = usd or Decimal(0)
        n_calls = self.spent_calls + self.others_calls + self.reserved_calls + 1
        amount = self.spent_usd + self.others_usd + self.reserved_usd + usd
        if (self.max_calls is not None and n_calls > self.max_calls) or (
            self.max_usd is not None and amount > self.max_usd
        ):
            return False
        self.reserved_calls += 1
        self.reserved_usd += usd
        return True

    def settle(self, reserved: Decimal | None, *, spent: Decimal | None, n_calls: int) -> None:
        """Give back what was set aside and count what the call did cost."""
        self.reserved_calls -= 1
        self.reserved_usd -= reserved or Decimal(0)
        self.spent_calls += n_calls
        self.spent_usd += spent or Decimal(0)

    def turn_day(self, today: date) -> None:
        """A run that lasts past midnight (UTC) has the new day's budget."""
        if self.scope == "day" and self.subject != today.isoformat():
            self.subject = today.isoformat()
            self.spent_usd = self.opened_usd = self.written_usd = self.others_usd = Decimal(0)
            self.spent_calls = self.opened_calls = self.written_calls = self.others_calls = 0

    def wrote(self, *, usd: Decimal, n_calls: int) -> None:
        """What this run has put down as spent; `settle` tells the same of each call, a moment later."""
        self.written_usd += usd
        self.written_calls += n_calls


def open_purse(connection: Connection[TupleRow], policy: Policy, *, backfill_id: str | None = None) -> Purse:
    """The policy's budget for a run now, less what has been spent of it.

    In a backfill its own limits hold; where it has none, those of the day do, for the whole of it.
    """
    scope: Scope = "day" if backfill_id is None else "backfill"
    subject = backfill_id or datetime.now(UTC).date().isoformat()
    has_own = policy.max_usd_per_backfill is not None or policy.max_calls_per_backfill is not None
    is_own = backfill_id is not None and has_own
    with connection.transaction():
        given = {"policy": policy.policy, "scope": scope, "subject": subject}
        n_calls, usd = connection.execute(SPENT, given).fetchone() or (0, Decimal(0))
    return Purse(
        policy=policy.policy,
        scope=scope,
        subject=subject,
        max_usd=policy.max_usd_per_backfill if is_own else policy.max_usd_per_day,
        max_calls=policy.max_calls_per_backfill if is_own else policy.max_calls_per_day,
        spent_usd=usd,
        spent_calls=n_calls,
        opened_usd=usd,
        opened_calls=n_calls,
    )


def follow_spend(connection: Connection[TupleRow], purse: Purse) -> None:
    """Look up what other runs have spent of the budget, in the caller's transaction if there is one.

    Two runs at once exceed it by no more than what the other has in flight.
    """
    if purse.max_usd is None and purse.max_calls is None:
        return
    given = {"policy": purse.policy, "scope": purse.scope, "subject": purse.subject}
    with connection.transaction():
        n_calls, usd = connection.execute(SPENT, given).fetchone() or (0, Decimal(0))
    purse.others_calls = n_calls - purse.opened_calls - purse.written_calls
    purse.others_usd = usd - purse.opened_usd - purse.written_usd


def record_spend(connection: Connection[TupleRow], purse: Purse, costs: Sequence[Decimal | None]) -> None:
    """Add the costs of paid calls (None: nobody knows) in the transaction that keeps their verdicts.

    What a backfill spends counts for its day as well, so that a day's row is all that was spent on it.
    """
    if not costs:
        return
    day = (purse.asked_on or datetime.now(UTC).date()).isoformat()
    subjects = {"day": day} | ({"backfill": purse.subject} if purse.scope == "backfill" else {})
    usd = sum((cost for cost in costs if cost is not None), Decimal(0))
    for scope, subject in subjects.items():
        given = {
            "policy": purse.policy,
            "scope": scope,
            "subject": subject,
            "n_calls": len(costs),
            "usd": usd,
            "n_unpriced": sum(cost is None for cost in costs),
        }
        connection.execute(SPEND, given)
    if (purse.scope, purse.subject) in subjects.items():
        purse.wrote(usd=usd, n_calls=len(costs))
        follow_spend(connection, purse)
