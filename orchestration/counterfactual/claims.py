"""Every request of a replay, put down before it is sent: what it may cost, and then what it did.

A claim that nobody settled (its process is gone) is in doubt: it may have been paid, so it counts as spent
and is never sent again. Thus no kill makes a replay pay twice, or more than it was told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.comparison.store import REUSED_FOR_HOURS
from orchestration.comparison.till import LATER
from orchestration.judging.budget import Purse
from orchestration.judging.writing import SKIPPED_BUDGET

IN_DOUBT: Final = "in_doubt"
PAID_BEFORE: Final = "paid_before"

_BEFORE: LiteralString = """
select
    count(*) filter (where settled_at is null),
    count(*) filter (where spent_usd > 0)
from evaluation.replay_claims
where purpose = %(purpose)s
    and subject = %(subject)s
    and key = %(key)s
    and (replay_id = %(replay_id)s or claimed_at > %(since)s)
"""
# What cost nothing (refused, never connected) may be sent again, and is claimed anew.
_CLAIM: LiteralString = """
insert into evaluation.replay_claims (replay_id, purpose, subject, key, reserved_usd)
values (%(replay_id)s, %(purpose)s, %(subject)s, %(key)s, %(usd)s)
on conflict (purpose, subject, key, replay_id) do update
set reserved_usd = excluded.reserved_usd,
    spent_usd = null,
    is_known = null,
    call_id = null,
    claimed_at = now(),
    settled_at = null
"""
_SETTLE: LiteralString = """
update evaluation.replay_claims
set spent_usd = coalesce(%(usd)s, reserved_usd),
    is_known = %(usd)s::numeric is not null,
    call_id = %(call_id)s,
    settled_at = now()
where replay_id = %(replay_id)s and purpose = %(purpose)s and subject = %(subject)s and key = %(key)s
returning spent_usd
"""
_SPENT: LiteralString = """
select
    coalesce(sum(coalesce(spent_usd, reserved_usd)), 0),
    count(*),
    count(*) filter (where settled_at is null)
from evaluation.replay_claims
where replay_id = %s
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A request: for an answer of a model or a grade of a judge (`subject`), and what it asks (32 bytes)."""

    purpose: Literal["replay", "judge"]
    subject: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Spent:
    """What a replay has cost so far, claims in doubt with all they may have cost."""

    usd: Decimal
    n_requests: int
    n_in_doubt: int


def read_spent(connection: Connection[TupleRow], replay_id: UUID) -> Spent:
    """The claims of a replay, added up."""
    with connection.transaction():
        row = connection.execute(_SPENT, (replay_id,)).fetchone()
    assert row is not None
    return Spent(*row)


@dataclass(slots=True)
class Claims:
    """The claims of one replay, within its budget. The connection must commit by itself."""

    connection: Connection[TupleRow]
    replay_id: UUID
    purse: Purse
    is_out_of_budget: bool = False
    _open: dict[Claim, Decimal] = field(default_factory=dict[Claim, Decimal])
    _held: dict[tuple[str, str], Decimal] = field(default_factory=dict[tuple[str, str], Decimal])

    def admit(self, claim: Claim, *, most_usd: Decimal, held_usd: Decimal = Decimal(0)) -> str | None:
        """Claim a request that costs `most_usd` at most, with `held_usd` of room for what will follow it.

        Returns why it must not be sent, None once the claim is committed. While other requests are out, what
        they do not use may be enough for it (LATER).
        """
        if why := self._before(claim):
            return why
        if not self.purse.reserve(most_usd + held_usd):
            if self._open:
                return LATER
            self.is_out_of_budget = True
            return SKIPPED_BUDGET
        self._open[claim] = most_usd
        with self.connection.transaction():
            self.connection.execute(_CLAIM, self._given(claim) | {"usd": most_usd})
        return None

    def settle(self, claim: Claim, usd: Decimal | None, *, call_id: UUID | None) -> None:
        """Count what the request did cost, in the caller's transaction; None (nobody knows): all it might."""
        row = self.connection.execute(
            _SETTLE, self._given(claim) | {"usd": usd, "call_id": call_id}
        ).fetchone()
        assert row is not None
        self.purse.settle(self._open.pop(claim), spent=row[0], n_calls=1)

    def refund(self, claim: Claim) -> None:
        """Count nothing: the endpoint has refused the request."""
        with self.connection.transaction():
            self.settle(claim, Decimal(0), call_id=None)

    def open_of(self, subject: str) -> list[Claim]:
        """The claims of a model or judge that are out."""
        return [claim for claim in self._open if claim.subject == subject]

    def keep_room(self, room: Mapping[tuple[str, str], Decimal]) -> None:
        """Say what the room of an admitted request is for; it was reserved with it."""
        self._held.update(room)

    def use_room(self, name: tuple[str, str]) -> None:
        """Give the room back, to be claimed by what it was kept for."""
        self.give_back(self._held.pop(name, Decimal(0)))

    def clear_room(self) -> None:
        """Give back all that was kept for what will not come."""
        self.give_back(sum(self._held.values(), Decimal(0)))
        self._held.clear()

    def give_back(self, usd: Decimal) -> None:
        """The same of room that nobody has named."""
        self.purse.reserved_usd -= usd

    def _before(self, claim: Claim) -> str | None:
        """Why the request must not be sent, by what was claimed before: by this replay, or by another one of
        a day (what is older, a person may well want to pay for anew). Whatever has an answer is not asked for
        at all, so what was paid for here has none."""
        since = datetime.now(UTC) - timedelta(hours=REUSED_FOR_HOURS)
        with self.connection.transaction():
            row = self.connection.execute(_BEFORE, self._given(claim) | {"since": since}).fetchone()
        n_in_doubt, n_paid = row or (0, 0)
        return IN_DOUBT if n_in_doubt else PAID_BEFORE if n_paid else None

    def _given(self, claim: Claim) -> dict[str, object]:
        return {
            "replay_id": self.replay_id,
            "purpose": claim.purpose,
            "subject": claim.subject,
            "key": claim.key,
        }


def open_claims(connection: Connection[TupleRow], replay_id: UUID, *, max_usd: Decimal) -> Claims:
    """The claims of a replay with what is left of its budget."""
    spent = read_spent(connection, replay_id)
    purse = Purse(
        policy="replay",
        scope="backfill",
        subject=str(replay_id),
        max_usd=max_usd,
        max_calls=None,
        spent_usd=spent.usd,
        spent_calls=spent.n_requests,
    )
    return Claims(connection, replay_id, purse)
