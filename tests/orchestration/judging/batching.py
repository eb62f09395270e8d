"""A judge asked in batches at a simulated provider, and what a test does with its batches."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.judging.batches_desk import BatchDesk, open_desk
from orchestration.judging.batches_tend import Tended, tend_batches
from orchestration.judging.judges import Judge, list_judges
from orchestration.judging.judging import JudgeRun, Options, judge_window
from orchestration.windows import Window
from tests.batch_provider import BatchProvider
from tests.orchestration.judging.setting import MODEL, judge
from tests.orchestration.seeding import DAY, rows

KEY_VARIABLE = "LQO_TEST_BATCH_KEY"
# What USAGE of the provider (1,000 in, 200 out) costs at half of the prices that `set_prices` sets.
USD_A_REQUEST = Decimal("0.0018")


def batch_judge(connection: Connection[TupleRow], provider: BatchProvider, **changes: Any) -> Judge:
    """A registered judge of policy `default` that is asked in batches."""
    secret = f"env:{KEY_VARIABLE}"
    return judge(connection, provider.url, processing="batch", secret_ref=secret, **changes)


def set_prices(connection: Connection[TupleRow], *, model: str = MODEL) -> None:
    """2 USD a million tokens in and 8 out, half of it in batches."""
    prices = [("standard", "input_uncached", 2), ("standard", "output_text", 8)]
    prices += [("batch", "input_uncached", 1), ("batch", "output_text", 4)]
    with connection.transaction():
        connection.cursor().executemany(
            "insert into cost.prices (provider, model, service_tier, bucket, usd_per_million, valid_from,"
            " source, price_version) values ('openai', %s, %s, %s, %s, '2020-01-01', 'test',"
            " nextval('cost.price_versions'))",
            [(model, *price) for price in prices],
        )


def ask(connection: Connection[TupleRow], *, window: Window = DAY, **options: Any) -> JudgeRun:
    """One run of the asset's work for the one judge that is asked in batches."""
    judges = [each for each in list_judges(connection, only_enabled=True) if each.processing == "batch"]
    (run,) = judge_window(connection, window, judges=judges, options=Options(**options))
    return run


def tend(connection: Connection[TupleRow]) -> Tended:
    """One run of the job, at a time when everything is due."""
    with connection.transaction():
        connection.execute("update evaluation.judge_batches set next_look_at = now()")
        connection.execute("update evaluation.judge_requests set not_before = now()")
    return tend_batches(connection)


def finish(connection: Connection[TupleRow], *, most: int = 30) -> None:
    """Tend until nothing is out and nothing waits."""
    for _ in range(most):
        tend(connection)
        if not open_work(connection):
            return
    raise AssertionError(f"still at work: {open_work(connection)}")


def open_work(connection: Connection[TupleRow]) -> list[TupleRow]:
    """Batches that are not done, and requests that have no answer."""
    return rows(
        connection,
        "select 'batch', state, problem from evaluation.judge_batches"
        " where state in ('prepared', 'uploaded', 'submitted')"
        " union all select 'request', state, reason from evaluation.judge_requests"
        " where state in ('waiting', 'sent')",
    )


def batch_states(connection: Connection[TupleRow]) -> list[str]:
    """The states of all batches, the oldest first."""
    found = rows(connection, "select state from evaluation.judge_batches order by prepared_at, id")
    return [state for (state,) in found]


def requests_by_state(connection: Connection[TupleRow]) -> dict[str, int]:
    return dict(rows(connection, "select state, count(*) from evaluation.judge_requests group by 1"))


def only_batch(connection: Connection[TupleRow]) -> UUID:
    ((batch_id,),) = rows(connection, "select id from evaluation.judge_batches")
    return batch_id


def spent(connection: Connection[TupleRow]) -> tuple[int, Decimal]:
    """Calls and USD that count against the budgets of all days."""
    ((n_calls, usd),) = rows(
        connection,
        "select coalesce(sum(n_calls), 0)::int, coalesce(sum(amount_usd), 0) from evaluation.judge_spend"
        " where scope = 'day'",
    )
    return n_calls, usd


def make_older(connection: Connection[TupleRow], age: timedelta) -> None:
    """Everything about the batches happened so much earlier."""
    with connection.transaction():
        connection.execute(
            "update evaluation.judge_batches set prepared_at = prepared_at - %(age)s,"
            " create_tried_at = create_tried_at - %(age)s, submitted_at = submitted_at - %(age)s",
            {"age": age},
        )


@contextmanager
def desk_of(connection: Connection[TupleRow]) -> Iterator[BatchDesk]:
    """The desk of the one judge that is asked in batches."""
    (judge,) = [each for each in list_judges(connection) if each.processing == "batch"]
    assert judge.evaluator_version_id is not None
    with open_desk(connection, judge.evaluator_version_id) as desk:
        yield desk


def today() -> str:
    return datetime.now(UTC).date().isoformat()
