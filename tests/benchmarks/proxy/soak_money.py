"""The money of a soak: the proxy's ledger, what landed of it, the charges and the marts, to the last digit.

The ledger is the file that the last proxy left behind. It is what was charged and what the calls reserved
that have a START in the spool and no END: no charge can know of these.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import LiteralString
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.access.limit_rows import set_budget
from ingest.database.url import DatabaseUrl
from ingest.limits.journal import FILE, amounts_said
from ingest.limits.ledger import State, in_places, usd
from ingest.settings import Settings
from ingest.spool.reader import list_segments, read_records
from ingest.spool.records import End, Record, Start
from orchestration.dbt import PROJECT_DIR, dbt_environment, dbt_launcher, ensure_manifest, window_vars
from orchestration.windows import Window

_LIMIT = Decimal(1_000_000)
_MARTS = ("+cost_hourly", "+budget_spending_hourly")
_LANDED: LiteralString = """
select
    account, sum(spent_usd), count(*) - count(spent_usd)
from raw.reservations cross join unnest(accounts) as account
group by account
"""
# By hour, as a day may end in the middle of a soak.
_MODELLED: LiteralString = """
select budget_id, sum(spent_usd), sum(charged_usd), sum(without_end_usd), sum(unpriced_usd + differing_usd)
from marts.budget_spending_hourly
group by budget_id
"""
_COST: LiteralString = "select coalesce(sum(amount_usd), 0) from marts.cost_hourly where project = 'bench'"


@dataclass(frozen=True, slots=True)
class Money:
    """USD by account: in the proxy's file, landed, and reserved by calls without an END, by the spool;
    reservations still open. Of each budget's mart: spent, charged, held for calls without an end, and what
    else they differ by. And the cost of the marts."""

    ledger: dict[str, Decimal]
    landed: dict[str, Decimal]
    without_end: dict[str, Decimal]
    n_open: int
    budgets: dict[str, tuple[Decimal, ...]]
    cost_usd: Decimal

    def problems(self, charged: Decimal) -> list[str]:
        """What differs in one digit; `charged` is the sum of all charges of the load."""
        found: list[str] = []
        if self.ledger != self.landed or len(self.ledger) < 2:
            found.append(f"the proxy's ledger says {self.ledger}, what landed {self.landed}")
        if self.n_open:
            found.append(f"{self.n_open} reservations are open after the end")
        for budget in {account.partition("@")[0] for account in self.landed}:
            spent, held = (_of(budget, amounts) for amounts in (self.ledger, self.without_end))
            if spent != charged + held:
                found.append(
                    f"{budget}: {spent} in the ledger; {charged} charged, {held} held without an end"
                )
            if (told := self.budgets.get(budget)) != (spent, charged, held, 0):
                found.append(f"{budget} spent {spent}, charged {charged}, held {held}; its mart: {told}")
        if self.cost_usd != charged:
            found.append(f"charged were {charged}, the marts say {self.cost_usd}")
        return found


def set_budgets(connection: Connection[TupleRow]) -> None:
    """Two that stand over every call of the load, and that it does not use up."""
    set_budget(connection, "project", "bench", period="month", limit_usd=_LIMIT)
    set_budget(connection, "project", "bench", period="day", limit_usd=_LIMIT)


def build_marts(settings: Settings, url: DatabaseUrl, windows: Sequence[Window]) -> None:
    """The marts of money, and the views below them. Raises RuntimeError."""
    ensure_manifest(settings)
    target = settings.dbt_target / "soak"
    places = ["--project-dir", PROJECT_DIR, "--profiles-dir", PROJECT_DIR]
    outputs = ["--target-path", target, "--log-path", target]
    command = [dbt_launcher(settings), "run", "--select", *_MARTS, "--vars", window_vars(windows)]
    done = subprocess.run(
        [str(part) for part in (*command, *places, *outputs)],
        env={**os.environ, **dbt_environment(url)},
        cwd=settings.home,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the marts were not built: {done.stdout[-2000:]}")


def spooled_records(folder: Path) -> Iterator[Record]:
    """All records in the order they were written, a batch in memory at a time."""
    for segment in list_segments(folder):
        after, is_end = 0, False
        while not is_end:
            batch = read_records(segment, after_seq=after)
            yield from (entry.record for entry in batch.entries if entry.record is not None)
            is_end = batch.is_end or not batch.entries
            after = batch.entries[-1].seq if batch.entries else after


def read_money(connection: Connection[TupleRow], *, spool: Path) -> Money:
    """Read it all, once the proxy has ended, its spool has landed, and charges and marts are made."""
    state = in_places(msgspec.json.decode((spool / FILE).read_bytes(), type=State))
    rows = connection.execute(_LANDED).fetchall()
    cost = connection.execute(_COST).fetchone()
    assert cost is not None
    return Money(
        ledger={account: usd(amount) for account, amount in state.spent.items()},
        landed={account: spent for account, spent, _ in rows},
        without_end=_without_end(spool),
        n_open=sum(n_open for *_, n_open in rows),
        budgets=_budgets(connection),
        cost_usd=cost[0],
    )


def _budgets(connection: Connection[TupleRow]) -> dict[str, tuple[Decimal, ...]]:
    return {budget: tuple(amounts) for budget, *amounts in connection.execute(_MODELLED)}


def _without_end(spool: Path) -> dict[str, Decimal]:
    """What each account holds for calls that have a START and no END there."""
    open_now: dict[UUID, dict[str, int]] = {}
    for record in spooled_records(spool):
        if isinstance(record, Start):
            open_now[record.call_id] = amounts_said(record.reserved)
        elif isinstance(record, End):
            open_now.pop(record.call_id, None)
    held: dict[str, Decimal] = {}
    for amounts in open_now.values():
        for account, amount in amounts.items():
            held[account] = held.get(account, Decimal(0)) + usd(amount)
    return held


def _of(budget: str, amounts: dict[str, Decimal]) -> Decimal:
    return sum((amount for account, amount in amounts.items() if account.startswith(budget)), Decimal(0))
