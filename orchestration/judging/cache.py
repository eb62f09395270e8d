"""Verdicts by content: what was paid for once is never paid for again.

Postgres holds every verdict (`evaluation.verdicts`); Redis, where `REDIS_URL` names one, is asked first. It
is only told of what Postgres has committed, and a Redis that is away costs one short wait a run.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, LiteralString, cast
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

PREFIX = "lqo:verdict"
REDIS_SECONDS = 0.5
# Redis is a faster copy: what nobody has asked for in a month may go.
REDIS_KEEP = timedelta(days=30)

FIND: LiteralString = """
select
    content_hash, value::float8 as value, label, explanation, details, unscored_reason, served_model, usage,
    cost_usd, judge_call_id, judged_at
from evaluation.verdicts
where content_hash = any(%(hashes)s)
  and evaluator_version_id = %(version)s
  and judge_model = %(model)s
  and (%(newer_than)s::timestamptz is null or judged_at > %(newer_than)s)
"""

# A verdict that is there stays, unless it had expired when this one was asked for.
KEEP: LiteralString = """
insert into evaluation.verdicts (
    content_hash, evaluator_version_id, judge_model, value, label, explanation, details, unscored_reason,
    served_model, usage, cost_usd, judge_call_id, judged_at
)
values (
    %(content_hash)s, %(version)s, %(model)s, %(value)s, %(label)s, %(explanation)s, %(details)s,
    %(unscored_reason)s, %(served_model)s, %(usage)s, %(cost_usd)s, %(judge_call_id)s, %(judged_at)s
)
on conflict (content_hash, evaluator_version_id, judge_model) do update
set value = excluded.value,
    label = excluded.label,
    explanation = excluded.explanation,
    details = excluded.details,
    unscored_reason = excluded.unscored_reason,
    served_model = excluded.served_model,
    usage = excluded.usage,
    cost_usd = excluded.cost_usd,
    judge_call_id = excluded.judge_call_id,
    judged_at = excluded.judged_at
where %(newer_than)s::timestamptz is not null and verdicts.judged_at <= %(newer_than)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVerdict:
    """A verdict that was paid for; mirrors `evaluation.verdicts` for one version and model.

    Exactly one of `value` (1–5) and `unscored_reason` (one that another call would not change) is None.
    `cost_usd` is what it cost when it was asked for, None where nobody knows the price.
    """

    content_hash: bytes
    value: float | None = None
    label: str | None = None
    explanation: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    unscored_reason: str | None = None
    served_model: str | None = None
    usage: Mapping[str, Any] | None = None
    cost_usd: Decimal | None = None
    judge_call_id: UUID | None = None
    judged_at: datetime


@dataclass(slots=True)
class CacheCounts:
    """How often a verdict was looked for, and where it was found."""

    redis_hits: int = 0
    postgres_hits: int = 0
    misses: int = 0
    redis_failures: int = 0

    @property
    def hit_ratio(self) -> float | None:
        """Found of all that was looked for; None where nothing was."""
        hits = self.redis_hits + self.postgres_hits
        return hits / (hits + self.misses) if hits + self.misses else None


def find_verdicts(
    connection: Connection[TupleRow],
    content_hashes: Sequence[bytes],
    *,
    evaluator_version_id: int,
    judge_model: str,
    newer_than: datetime | None = None,
) -> dict[bytes, KeptVerdict]:
    """The verdicts that Postgres holds of these contents; none that is as old as `newer_than` or older."""
    given = {
        "hashes": list(content_hashes),
        "version": evaluator_version_id,
        "model": judge_model,
        "newer_than": newer_than,
    }
    with connection.transaction(), connection.cursor(row_factory=class_row(KeptVerdict)) as cursor:
        return {verdict.content_hash: verdict for verdict in cursor.execute(FIND, given)}


def keep_verdicts(
    connection: Connection[TupleRow],
    verdicts: Sequence[KeptVerdict],
    *,
    evaluator_version_id: int,
    judge_model: str,
    newer_than: datetime | None = None,
) -> None:
    """Keep verdicts in the caller's transaction; one that is there already stays, unless it has expired."""
    rows = [
        {
            **{name: getattr(verdict, name) for name in _PLAIN},
            "details": Jsonb(dict(verdict.details)),
            "usage": None if verdict.usage is None else Jsonb(dict(verdict.usage)),
            "version": evaluator_version_id,
            "model": judge_model,
            "newer_than": newer_than,
        }
        # In the order of the key: two transactions that keep the same contents then wait in turn.
        for verdict in sorted(verdicts, key=lambda each: each.content_hash)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(KEEP, rows)


class VerdictCache:
    """Cache-aside for one judge version: Redis where there is one, then Postgres; counts what it found."""

    def __init__(
        self,
        *,
        evaluator_version_id: int,
        judge_model: str,
        keep_days: int | None = None,
        redis_url: str | None = None,
    ) -> None:
        """`keep_days` None never expires a verdict. Raises ValueError for a Redis URL that is none,
        ModuleNotFoundError for one without the extra `redis`."""
        self.counts = CacheCounts()
        self._version = evaluator_version_id
        self._model = judge_model
        self._keep_days = keep_days
        self._redis = _client(redis_url) if redis_url else None

    @property
    def newer_than(self) -> datetime | None:
        """Verdicts of this moment and before have expired."""
        return None if self._keep_days is None else datetime.now(UTC) - timedelta(days=self._keep_days)

    def find(
        self, connection: Connection[TupleRow], content_hashes: Sequence[bytes]
    ) -> dict[bytes, KeptVerdict]:
        """The verdicts that are known of these contents."""
        wanted = list(dict.fromkeys(content_hashes))
        found = self._from_redis(wanted)
        self.counts.redis_hits += len(found)
        if missing := [content for content in wanted if content not in found]:
            held = find_verdicts(
                connection,
                missing,
                evaluator_version_id=self._version,
                judge_model=self._model,
                newer_than=self.newer_than,
            )
            self.counts.postgres_hits += len(held)
            self.remember(list(held.values()))
            found |= held
        self.counts.misses += len(wanted) - len(found)
        return found

    def keep(self, connection: Connection[TupleRow], verdicts: Sequence[KeptVerdict]) -> None:
        """Keep verdicts in the caller's transaction; tell Redis with `remember` once that has committed."""
        keep_verdicts(
            connection,
            verdicts,
            evaluator_version_id=self._version,
            judge_model=self._model,
            newer_than=self.newer_than,
        )

    def remember(self, verdicts: Sequence[KeptVerdict]) -> None:
        """Copy what Postgres holds to Redis, for as long as it may be used."""
        if self._redis is None or not verdicts:
            return
        seconds = {verdict.content_hash: self._seconds_left(verdict) for verdict in verdicts}
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for verdict in verdicts:
                    if (left := seconds[verdict.content_hash]) > 0:
                        pipe.set(self._key(verdict.content_hash), msgspec.json.encode(verdict), ex=left)
                pipe.execute()
        except Exception as error:
            self._give_up(error)

    def _from_redis(self, wanted: Sequence[bytes]) -> dict[bytes, KeptVerdict]:
        if self._redis is None or not wanted:
            return {}
        try:
            answers = cast("list[bytes | None]", self._redis.mget([self._key(each) for each in wanted]))
            found = [msgspec.json.decode(text, type=KeptVerdict) for text in answers if text is not None]
        except Exception as error:
            self._give_up(error)
            return {}
        oldest = self.newer_than
        return {each.content_hash: each for each in found if oldest is None or each.judged_at > oldest}

    def _seconds_left(self, verdict: KeptVerdict) -> int:
        if self._keep_days is None:
            return int(REDIS_KEEP.total_seconds())
        until = verdict.judged_at + timedelta(days=self._keep_days)
        return int(min(REDIS_KEEP, until - datetime.now(UTC)).total_seconds())

    def _key(self, content_hash: bytes) -> str:
        return f"{PREFIX}:{self._version}:{self._model}:{content_hash.hex()}"

    def _give_up(self, error: Exception) -> None:
        """One failure ends it for this run: Postgres has everything, and each wait would cost a timeout."""
        self.counts.redis_failures += 1
        self._redis = None
        logger.warning("Redis is left out of this run: %s", type(error).__name__)


_PLAIN = (
    *("content_hash", "value", "label", "explanation", "unscored_reason", "served_model"),
    *("cost_usd", "judge_call_id", "judged_at"),
)


def _client(url: str) -> "Redis":
    from redis import Redis

    return Redis.from_url(url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)
