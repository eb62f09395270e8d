"""What end users say stands in the marts beside the calls they say it of, whenever it comes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.uuid7 import derived_uuid7
from tests.dbt_project.expected import Record, wilson
from tests.dbt_project.marts import records
from tests.dbt_project.running_dbt import Dbt, days
from tests.dbt_project.seed import LAST_DAY

HOUR = datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, 9, tzinfo=UTC)
UNKNOWN = derived_uuid7(HOUR, key=b"a call that nobody has seen")
GIVE = """
insert into evaluation.feedback (call_id, started_at, name, value, label, comment, at)
values (%s, ingest.uuid7_time(%s), %s, %s, %s, %s, %s)
"""


@pytest.fixture
def owner(seeded: DatabaseUrl) -> Iterator[psycopg.Connection[TupleRow]]:
    with connect(seeded, autocommit=True) as connection:
        yield connection
        connection.execute("truncate evaluation.feedback")


def build(dbt: Dbt, url: DatabaseUrl) -> None:
    outcome = dbt.build(url, windows=days(LAST_DAY), selector="day")
    assert set(outcome.nodes.values()) == {"success", "pass"}, outcome.text


def give(
    owner: psycopg.Connection[TupleRow],
    call_id: UUID,
    *,
    name: str = "thumbs",
    value: float | None = None,
    label: str | None = None,
    comment: str | None = None,
    minute: int = 0,
) -> None:
    at = HOUR.replace(hour=20, minute=minute)
    owner.execute(GIVE, (call_id, call_id, name, value, label, comment, at))


def calls_of_the_hour(owner: psycopg.Connection[TupleRow]) -> list[Record]:
    return records(
        owner,
        f"select * from marts.calls where date_trunc('hour', started_at, 'UTC') = '{HOUR}' order by call_id",
    )


def test_the_newest_opinion_counts_and_late_ones_move_the_hour_of_their_call(
    seeded: DatabaseUrl, owner: psycopg.Connection[TupleRow], dbt: Dbt
) -> None:
    build(dbt, seeded)
    calls = calls_of_the_hour(owner)
    model, project = calls[0]["model"], calls[0]["project"]
    same = [call for call in calls if (call["model"], call["project"]) == (model, project)]
    give(owner, same[0]["call_id"], value=0, minute=1)
    give(owner, same[0]["call_id"], value=1, comment="좋아요 🎈", minute=2)
    give(owner, same[1]["call_id"], value=0)
    give(owner, same[1]["call_id"], name="reason", label="wrong")
    build(dbt, seeded)
    rows = records(owner, "select * from marts.feedback order by name, call_id, value desc")
    assert [(row["name"], row["value"], row["label"]) for row in rows] == [
        ("reason", None, "wrong"),
        ("thumbs", 1, None),
        ("thumbs", 0, None),
    ]
    newest = next(row for row in rows if row["value"] == 1)
    assert (newest["n_opinions"], newest["comment"], newest["has_call"]) == (2, "좋아요 🎈", True)
    assert (newest["model"], newest["user_id"]) == (model, same[0]["user_id"])
    thumbs, reason = records(owner, "select * from marts.feedback_hourly order by name desc")
    assert (thumbs["hour"], thumbs["model"], thumbs["project"]) == (HOUR, model, project)
    assert (thumbs["n_calls"], thumbs["n_feedback"], thumbs["n_values"], thumbs["n_positive"]) == (
        len(same),
        2,
        2,
        1,
    )
    assert (thumbs["value_sum"], thumbs["value_mean"], thumbs["positive_share"]) == (Decimal(1), 0.5, 0.5)
    interval = (thumbs["positive_share_low"], thumbs["positive_share_high"])
    assert interval == pytest.approx(wilson(1, 2), abs=1e-12)
    assert (reason["labels"], reason["n_labels"], reason["value_mean"]) == ({"wrong": 1}, 1, None)


def test_feedback_for_a_call_nobody_knows_is_kept_and_counted_by_itself(
    seeded: DatabaseUrl, owner: psycopg.Connection[TupleRow], dbt: Dbt
) -> None:
    give(owner, UNKNOWN, value=-1)
    build(dbt, seeded)
    (row,) = records(owner, "select * from marts.feedback")
    assert (row["call_id"], row["has_call"], row["model"]) == (UNKNOWN, False, "(unknown)")
    (hourly,) = records(owner, "select * from marts.feedback_hourly")
    assert (hourly["model"], hourly["n_calls"], hourly["n_feedback"]) == ("(unknown)", 0, 1)
    assert (hourly["n_positive"], hourly["coverage"]) == (0, None)
    owner.execute("delete from evaluation.feedback")
    build(dbt, seeded)
    assert records(owner, "select * from marts.feedback") == []
    assert records(owner, "select * from marts.feedback_hourly") == []
