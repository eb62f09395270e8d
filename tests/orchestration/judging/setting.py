"""A judge in the warehouse and what it has done there."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.judging.judges import Judge, add_judge, rubric_text
from orchestration.judging.policies import Policy, put_policy
from tests.orchestration.seeding import DAY, rows

MODEL = "judge-model"
USD_PER_MILLION = {"input_uncached": Decimal(2), "output_text": Decimal(8)}


def policy(connection: Connection[TupleRow], **changes: Any) -> Policy:
    """A policy that selects every call, unless told otherwise."""
    return put_policy(
        connection, Policy(**{"policy": "default", "rate": 1.0, "applies_from": DAY.start.date(), **changes})
    )


def judge(
    connection: Connection[TupleRow],
    url: str,
    *,
    name: str = "helpful",
    rubric: str = "helpfulness",
    parameters: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Judge:
    """A registered judge of policy `default` at a simulated endpoint."""
    text, read = rubric_text(rubric)
    given = {
        "judge": name,
        "evaluator": read.name,
        "rubric": text,
        "provider": "openai",
        "model": MODEL,
        "base_url": url,
        "policy": "default",
        "parameters": parameters or {},
        "concurrency": 4,
    }
    return add_judge(connection, Judge(**{**given, **changes}))


def set_price(connection: Connection[TupleRow], *, model: str = MODEL) -> None:
    """2 USD a million tokens in, 8 USD out."""
    with connection.transaction():
        connection.cursor().executemany(
            "insert into cost.prices"
            " (provider, model, match, bucket, usd_per_million, valid_from, source, price_version)"
            " values ('openai', %s, 'prefix', %s, %s, '2020-01-01', 'test', nextval('cost.price_versions'))",
            [(model, bucket, usd) for bucket, usd in USD_PER_MILLION.items()],
        )


def close_day(connection: Connection[TupleRow]) -> None:
    """The day of the seeded calls is closed."""
    with connection.transaction():
        connection.execute(
            "insert into evaluation.day_closes (day, n_calls) values (%s, 0)"
            " on conflict (day) do update set closed_at = clock_timestamp()",
            (DAY.start.date(),),
        )


def outcomes(connection: Connection[TupleRow]) -> dict[str, int]:
    """Judgements by outcome."""
    return dict(
        rows(
            connection,
            "select coalesce(unscored_reason, 'scored'), count(*) from evaluation.judgements group by 1",
        )
    )
