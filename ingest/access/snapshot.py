"""What the proxy knows of models, projects, keys, limits, budgets and prices: read at once, kept on disk.

The file is the last good state, for a start while the database is down. It holds hashes and references,
no secrets.
"""

import os
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal, LiteralString, TypeVar

import msgspec

from ingest.providers.base import Wire
from ingest.settings import Keep

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

T = TypeVar("T")

FILE = "access.json"
MOST_PRICES = 20_000
"""Rows of prices in a snapshot; about 8 for a model, the newest first."""


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One target of an alias, as `access.llm_models` has it."""

    alias: str
    position: int
    tier: int = 1
    provider: str
    wire: Wire
    model: str
    base_url: str
    secret_ref: str | None = None
    weight: int = 1
    is_enabled: bool = True
    deadline_seconds: float | None = None
    max_requests_per_minute: int | None = None
    max_tokens_per_minute: int | None = None


class ProjectRow(msgspec.Struct, frozen=True, kw_only=True):
    """What may be kept of a project's calls. `mask_patterns` is name to regex."""

    project: str
    keep: Keep = "full"
    mask_kinds: tuple[str, ...] = ()
    mask_patterns: dict[str, str] = {}


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One of our own keys; `allowed_models` None means all. Times are aware."""

    key_id: str
    prefix: str
    secret_hash: bytes
    owner: str
    project: str | None = None
    environment: str | None = None
    allowed_models: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    created_at: datetime
    revoked_at: datetime | None = None
    replaced_by: str | None = None
    overlap_until: datetime | None = None


class LimitRow(msgspec.Struct, frozen=True, kw_only=True):
    """A rate limit; `subject` `*` binds each one by itself."""

    scope: Literal["key", "user", "ip", "project"]
    subject: str
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class BudgetRow(msgspec.Struct, frozen=True, kw_only=True):
    """Most USD a subject may spend in a UTC day or month."""

    budget_id: str
    scope: Literal["key", "user", "project"]
    subject: str
    period: Literal["day", "month"]
    limit_usd: Decimal


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A current row of `cost.prices`, with the fields of `evaluators.pricing.rows.PriceRow`."""

    id: int
    provider: str | None
    model: str
    match: Literal["exact", "prefix"]
    bucket: str
    usd_per_million: Decimal
    min_input_tokens: int
    service_tier: str
    currency: str
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    source: str
    price_version: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one instant. `version` is that of `access.state` (0: nothing was ever read),
    `taken_at_ns` Unix nanoseconds of the read."""

    version: int = 0
    taken_at_ns: int = 0
    models: tuple[ModelRow, ...] = ()
    projects: tuple[ProjectRow, ...] = ()
    keys: tuple[KeyRow, ...] = ()
    limits: tuple[LimitRow, ...] = ()
    budgets: tuple[BudgetRow, ...] = ()
    prices: tuple[Price, ...] = ()


_decoder = msgspec.json.Decoder(Snapshot)

_MODELS: LiteralString = "select * from access.llm_models order by alias, tier, position"
_PROJECTS: LiteralString = "select * from access.projects order by project"
_KEYS: LiteralString = "select * from access.api_keys order by key_id"
_LIMITS: LiteralString = "select * from access.limits order by scope, subject"
_BUDGETS: LiteralString = "select * from access.budgets order by budget_id"
# A price that has ended cannot hold for a call of today; one that starts tomorrow will.
_PRICES: LiteralString = """
select *
from cost.prices
where superseded_at is null and (valid_to is null or valid_to > now() - interval '1 day')
order by price_version desc, id desc
limit %s
"""


def read_version(connection: "Connection[TupleRow]") -> int:
    """The version of the access data; any other than a snapshot's says that it is stale."""
    row = connection.execute("select version from access.state").fetchone()
    return row[0] if row else 0


def read_prices_state(connection: "Connection[TupleRow]") -> tuple[int, int]:
    """What changes whenever the price book does: its newest version, and how many rows are superseded."""
    row = connection.execute(
        "select coalesce(max(price_version), 0), count(superseded_at) from cost.prices"
    ).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def read_snapshot(connection: "Connection[TupleRow]") -> Snapshot:
    """Everything as of one instant; the connection must be outside a transaction."""
    from psycopg import IsolationLevel
    from psycopg.rows import dict_row

    before, connection.isolation_level = connection.isolation_level, IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            version = read_version(connection)
            return Snapshot(
                version=version,
                taken_at_ns=time.time_ns(),
                models=_as(ModelRow, cursor.execute(_MODELS).fetchall()),
                projects=_as(ProjectRow, cursor.execute(_PROJECTS).fetchall()),
                keys=_as(KeyRow, cursor.execute(_KEYS).fetchall()),
                limits=_as(LimitRow, cursor.execute(_LIMITS).fetchall()),
                budgets=_as(BudgetRow, cursor.execute(_BUDGETS).fetchall()),
                prices=_as(Price, cursor.execute(_PRICES, (MOST_PRICES,)).fetchall()),
            )
    finally:
        connection.isolation_level = before


def load_snapshot(home: Path) -> Snapshot | None:
    """The last good snapshot of a home. None without one; raises ValueError for one that does not parse."""
    try:
        data = (home / FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{home / FILE} cannot be read: {error.strerror or error}") from error
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError(f"{home / FILE} does not parse: {' '.join(str(error).split())}") from error


def save_snapshot(home: Path, snapshot: Snapshot) -> None:
    """Replace the home's snapshot (0600), whole or not at all, also when the power fails. Raises OSError."""
    draft = home / f"{FILE}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(snapshot))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(home / FILE)
    finally:
        draft.unlink(missing_ok=True)


def _as(kind: type[T], rows: object) -> tuple[T, ...]:
    return msgspec.convert(rows, tuple[kind, ...])
