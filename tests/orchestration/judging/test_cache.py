"""Kept verdicts: Redis first, Postgres always, and an expiry."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.judging.cache import KeptVerdict, VerdictCache, find_verdicts
from orchestration.judging.landing import Asker, judge_call
from tests.ingest.redis_server import RedisServer
from tests.orchestration.judging.judgements import asked_judgement
from tests.orchestration.seeding import count

Connection = psycopg.Connection[TupleRow]
MODEL = "judge-model"
CONTENTS = [bytes([n]) * 32 for n in range(4)]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def version(connection: Connection) -> int:
    connection.autocommit = True
    row = connection.execute(
        "insert into evaluation.evaluator_versions (evaluator, version, kind, status)"
        " values ('tone', '1', 'judge', 'active') returning id"
    ).fetchone()
    assert row
    return row[0]


def verdict(content: bytes, *, value: float | None = 4, age: timedelta = timedelta()) -> KeptVerdict:
    return KeptVerdict(
        content_hash=content,
        value=value,
        label="좋음",
        explanation="weil \N{SLIGHTLY SMILING FACE}",
        details={"output": "json_schema"},
        unscored_reason=None if value else "refused",
        served_model="judge-model-2026",
        usage={"prompt_tokens": 3},
        cost_usd=Decimal("0.000123"),
        judged_at=datetime.now(UTC) - age,
    )


def keep(cache: VerdictCache, connection: Connection, *verdicts: KeptVerdict) -> None:
    with connection.transaction():
        cache.keep(connection, verdicts)
    cache.remember(verdicts)


def test_postgres_alone_holds_every_verdict(connection: Connection, version: int) -> None:
    cache = VerdictCache(evaluator_version_id=version, judge_model=MODEL)
    wanted = [verdict(CONTENTS[0]), verdict(CONTENTS[1], value=None)]
    keep(cache, connection, *wanted)

    found = cache.find(connection, [*CONTENTS, CONTENTS[0]])

    assert [found[each.content_hash] for each in wanted] == wanted
    counts = cache.counts
    assert (counts.postgres_hits, counts.misses, counts.redis_hits, counts.hit_ratio) == (2, 2, 0, 0.5)


def test_redis_answers_before_postgres(connection: Connection, version: int, redis: RedisServer) -> None:
    given = verdict(CONTENTS[0])
    keep(
        VerdictCache(evaluator_version_id=version, judge_model=MODEL, redis_url=redis.url), connection, given
    )
    connection.execute("truncate evaluation.verdicts")
    later = VerdictCache(evaluator_version_id=version, judge_model=MODEL, redis_url=redis.url)

    assert later.find(connection, CONTENTS[:2]) == {CONTENTS[0]: given}
    assert (later.counts.redis_hits, later.counts.misses) == (1, 1)


def test_what_only_postgres_knew_redis_knows_next_time(
    connection: Connection, version: int, redis: RedisServer
) -> None:
    keep(VerdictCache(evaluator_version_id=version, judge_model=MODEL), connection, verdict(CONTENTS[0]))
    for hits in ((0, 1), (1, 0)):
        cache = VerdictCache(evaluator_version_id=version, judge_model=MODEL, redis_url=redis.url)
        cache.find(connection, CONTENTS[:1])
        assert (cache.counts.redis_hits, cache.counts.postgres_hits) == hits


@pytest.mark.parametrize("trouble", ["kill", "freeze"])
def test_a_redis_that_is_away_costs_one_failure_and_no_verdict(
    connection: Connection, version: int, redis: RedisServer, trouble: str
) -> None:
    cache = VerdictCache(evaluator_version_id=version, judge_model=MODEL, redis_url=redis.url)
    getattr(redis, trouble)()
    keep(cache, connection, verdict(CONTENTS[0]))

    assert set(cache.find(connection, CONTENTS)) == {CONTENTS[0]}
    assert cache.counts.redis_failures == 1
    if trouble == "freeze":
        redis.thaw()


@pytest.mark.parametrize("with_redis", [True, False])
def test_an_expired_verdict_is_not_used_and_makes_room_for_a_new_one(
    connection: Connection, version: int, redis: RedisServer, with_redis: bool
) -> None:
    url = redis.url if with_redis else None
    forever = VerdictCache(evaluator_version_id=version, judge_model=MODEL, redis_url=url)
    keep(forever, connection, verdict(CONTENTS[0], age=timedelta(days=8)))
    weekly = VerdictCache(evaluator_version_id=version, judge_model=MODEL, keep_days=7, redis_url=url)
    assert weekly.find(connection, CONTENTS[:1]) == {}

    fresh = verdict(CONTENTS[0], value=2)
    keep(weekly, connection, fresh)

    assert weekly.find(connection, CONTENTS[:1]) == {CONTENTS[0]: fresh}


def test_a_verdict_that_is_there_stays(connection: Connection, version: int) -> None:
    cache = VerdictCache(evaluator_version_id=version, judge_model=MODEL)
    keep(cache, connection, verdict(CONTENTS[0], value=5))
    keep(cache, connection, verdict(CONTENTS[0], value=1))

    assert cache.find(connection, CONTENTS[:1])[CONTENTS[0]].value == 5
    assert count(connection, "evaluation.verdicts") == 1


def test_another_version_or_model_knows_nothing_of_it(connection: Connection, version: int) -> None:
    keep(VerdictCache(evaluator_version_id=version, judge_model=MODEL), connection, verdict(CONTENTS[0]))

    given = {"evaluator_version_id": version, "judge_model": "other"}
    assert find_verdicts(connection, CONTENTS, **given) == {}  # type: ignore[arg-type]
    given = {"evaluator_version_id": version + 1, "judge_model": MODEL}
    assert find_verdicts(connection, CONTENTS, **given) == {}  # type: ignore[arg-type]


def test_an_exchange_without_an_answer_is_a_failed_call() -> None:
    failed = judge_call(asked_judgement(value=None, status=503), asker=Asker("j", "openai", MODEL))

    assert failed is not None
    assert (failed.status, failed.http_status, failed.purpose) == ("error", 503, "judge")
    assert failed.input_text == "질문 🙂"
