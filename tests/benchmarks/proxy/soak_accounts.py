"""The accounts of a soak, made independently of each other, and whether they agree.

The client knows what was acknowledged to it, the mock what it was asked and so billed, the spool what the
proxy wrote, the warehouse what landed. Calls are told apart by the number that the client gave them.
"""

import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.spool.records import End, Start
from orchestration.cost.charging import charge_window
from orchestration.windows import Window, floor_hour
from tests.benchmarks.proxy.exchange import cost_of, tokens_of
from tests.benchmarks.proxy.load import ACKNOWLEDGED, FAILED, WRONG, Log
from tests.benchmarks.proxy.soak_money import Money, read_money, spooled_records

_ROWS: LiteralString = """
select
    session_id::bigint, status, (usage ->> 'prompt_tokens')::bigint, (usage ->> 'completion_tokens')::bigint,
    (usage -> 'prompt_tokens_details' ->> 'cached_tokens')::bigint
from raw.llm_calls where project = 'bench'
"""
_CHARGED: LiteralString = """
select count(*), count(amount_usd), coalesce(sum(amount_usd), 0)
from cost.charges inner join raw.llm_calls using (started_at, call_id) where project = 'bench'
"""

Tokens = tuple[int, int, int]
"""Prompt, cached, completion."""


@dataclass(slots=True)
class Account:
    """What one party says: calls, their tokens summed, their USD (None: it does not say)."""

    calls: int
    tokens: Tokens
    usd: Decimal | None


@dataclass(slots=True)
class Books:
    """All accounts of calls that ended well, and what is wrong with them (empty: nothing)."""

    acknowledged: int
    failed: int
    interrupted: int
    mock: Account
    spool: Account
    raw: Account
    charges: Account
    problems: list[str] = field(default_factory=list[str])
    money: Money | None = None


@dataclass(slots=True)
class _Asked:
    """The mock's ledger: how often it was asked each number, and what it billed."""

    times: Counter[int] = field(default_factory=Counter[int])
    tokens: dict[int, Tokens] = field(default_factory=dict[int, Tokens])


@dataclass(slots=True)
class _Spooled:
    """Number of each START by call id, and what the ENDs say."""

    numbers: dict[bytes, int] = field(default_factory=dict[bytes, int])
    ended: Counter[int] = field(default_factory=Counter[int])
    usd: Decimal = Decimal(0)
    n_unpriced: int = 0


def settle(
    connection: Connection[TupleRow], *, log: Log, mock_url: str, spool: Path, model: Callable[[Window], None]
) -> Books:
    """Read all accounts, once the spool is drained and nothing runs any more; `model` builds the marts."""
    asked = _asked(mock_url)
    spooled = _spooled(spool)
    landed: dict[int, tuple[str, Tokens]] = {}
    twice: list[int] = []
    for number, status, *tokens in connection.execute(_ROWS):
        if number in landed:
            twice.append(number)
        landed[number] = status, (tokens[0], tokens[2], tokens[1])
    connection.rollback()
    charges = _charges(connection, model=model)
    well = {number for number, (status, _) in landed.items() if status == "ok"}
    books = Books(
        acknowledged=len(log.numbers(ACKNOWLEDGED)),
        failed=len(log.numbers(FAILED)),
        interrupted=sum(status == "interrupted" for status, _ in landed.values()),
        mock=_billed(asked, well),
        spool=Account(len(spooled.ended), _sum(map(tokens_of, spooled.ended)), spooled.usd),
        raw=Account(len(well), _sum(landed[number][1] for number in well), None),
        charges=charges,
    )
    books.problems += _lost(log, asked=asked, spooled=spooled, landed=landed, twice=twice)
    books.problems += _disagreements(books, n_unpriced=spooled.n_unpriced)
    books.money = read_money(connection, spool=spool)
    books.problems += books.money.problems(charges.usd or Decimal(0))
    return books


def _lost(
    log: Log,
    *,
    asked: _Asked,
    spooled: _Spooled,
    landed: dict[int, tuple[str, Tokens]],
    twice: list[int],
) -> list[str]:
    acknowledged = set(log.numbers(ACKNOWLEDGED))
    started = Counter(spooled.numbers.values())
    expected = {number for number, (status, _) in landed.items() if status == "ok"}
    checks = {
        "answered with other bytes than the mock's": log.numbers(WRONG),
        "acknowledged and not in the spool": sorted(acknowledged - spooled.ended.keys()),
        "acknowledged and not in raw as ok": sorted(acknowledged - expected),
        "billed by the mock and not in raw": sorted(asked.times.keys() - landed.keys()),
        "billed by the mock twice": [number for number, n in asked.times.items() if n > 1],
        "with two STARTs in the spool": [number for number, n in started.items() if n > 1],
        "with two ENDs in the spool": [number for number, n in spooled.ended.items() if n > 1],
        "in the spool and not in raw": sorted(started.keys() - landed.keys()),
        "in raw and not in the spool": sorted(landed.keys() - started.keys()),
        "in raw twice": twice,
        "in raw neither as ok nor as interrupted": [
            number for number, (status, _) in landed.items() if status not in ("ok", "interrupted")
        ],
        "in raw as ok and never billed": sorted(expected - asked.times.keys()),
        "in raw with other tokens": [n for n in expected if landed[n][1] != tokens_of(n)],
    }
    return [f"{len(found)} calls {what}: {found[:5]}" for what, found in checks.items() if found]


def _disagreements(books: Books, *, n_unpriced: int) -> list[str]:
    problems: list[str] = []
    for name, account in (("the spool", books.spool), ("raw", books.raw)):
        if (account.calls, account.tokens) != (books.mock.calls, books.mock.tokens):
            problems.append(f"the mock says {books.mock}, {name} says {account}")
    for name, account in (("the proxy", books.spool), ("the charges", books.charges)):
        if account.usd != books.mock.usd:
            problems.append(f"the mock billed {books.mock.usd} USD, {name} says {account.usd}")
    if books.charges.calls != books.mock.calls:
        problems.append(f"{books.mock.calls} calls were billed and {books.charges.calls} priced")
    if n_unpriced:
        problems.append(f"the proxy could not price {n_unpriced} calls")
    return problems


def _asked(mock_url: str) -> _Asked:
    found = _Asked()
    with urllib.request.urlopen(f"{mock_url}/ledger") as response:
        for line in response.read().splitlines():
            number, prompt, cached, completion = map(int, line.split(b"\t"))
            found.times[number] += 1
            found.tokens[number] = prompt, cached, completion
    return found


def _spooled(folder: Path) -> _Spooled:
    found = _Spooled()
    for record in spooled_records(folder):
        if isinstance(record, Start):
            found.numbers[record.call_id.bytes] = int(record.observer["session_id"])
        elif isinstance(record, End) and record.status == "ok":
            found.ended[found.numbers[record.call_id.bytes]] += 1
            found.usd += Decimal(record.cost_usd or 0)
            found.n_unpriced += record.cost_usd is None
    return found


def _charges(connection: Connection[TupleRow], *, model: Callable[[Window], None]) -> Account:
    """Charge and model what landed, as the hourly refresh does."""
    hour = floor_hour(datetime.now(UTC))
    window = Window(hour - timedelta(hours=6), hour + timedelta(hours=1))
    charge_window(connection, [window])
    connection.commit()
    model(window)
    row = connection.execute(_CHARGED).fetchone()
    assert row is not None
    return Account(row[1], (0, 0, 0), row[2])


def _billed(asked: _Asked, well: set[int]) -> Account:
    """What the mock says of the calls that ended well."""
    theirs = [number for number in asked.times if number in well]
    usd = sum(map(cost_of, theirs), Decimal(0))
    return Account(len(theirs), _sum(asked.tokens[number] for number in theirs), usd)


def _sum(each: Iterable[Tokens]) -> Tokens:
    prompt = cached = completion = 0
    for one in each:
        prompt, cached, completion = prompt + one[0], cached + one[1], completion + one[2]
    return prompt, cached, completion
