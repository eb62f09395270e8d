"""A judge asked otherwise: shadow-scored on the same calls, bridged, promoted, and asked from then on."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.judging.judges import enable_judge, list_judges
from orchestration.judging.judging import judge_window
from orchestration.versions.bridging import bridge_versions
from orchestration.versions.periods import current_at, periods_of
from orchestration.versions.promoting import promote
from orchestration.versions.registry import Version, list_versions
from orchestration.versions.seats import seat_judges
from orchestration.versions.shadow_runs import shadow_days
from tests.judge_endpoint import JudgeEndpoint, judge_endpoint_in_thread
from tests.orchestration.judging.setting import judge, policy
from tests.orchestration.seeding import DAY, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
TODAY = DAY.start.date()
ONE_DAY = timedelta(days=1)
N_CALLS = 210


@pytest.fixture
def endpoint() -> Iterator[JudgeEndpoint]:
    with judge_endpoint_in_thread() as running:
        yield running


@pytest.fixture
def judged(connection: Connection, endpoint: JudgeEndpoint) -> tuple[Version, Version]:
    """A day judged by the first judge; a second one of the same rubric that nobody asks yet."""
    connection.autocommit = True
    with connection.transaction():
        add_calls(connection, N_CALLS)
    policy(connection)
    judge(connection, endpoint.url, concurrency=16)
    judge_window(connection, DAY)
    judge(connection, endpoint.url, name="next", model="other-model", is_enabled=False, concurrency=16)
    one, other = list_versions(connection, evaluator="helpfulness")
    return one, other


def asked(connection: Connection) -> list[str]:
    return [each.judge for each in list_judges(connection, only_enabled=True)]


def current(connection: Connection, moment: datetime) -> int | None:
    with connection.transaction():
        return current_at(periods_of(connection, "helpfulness"), moment)


def test_a_second_judge_is_a_draft(connection: Connection, judged: tuple[Version, Version]) -> None:
    assert [version.status for version in judged] == ["active", "draft"]
    assert current(connection, DAY.start) == judged[0].id


def test_a_shadow_asks_about_the_same_calls_and_pays_once(
    connection: Connection, judged: tuple[Version, Version], endpoint: JudgeEndpoint
) -> None:
    assert endpoint.paid == N_CALLS
    said = shadow_days(connection, judged[1], first_day=TODAY, last_day=TODAY)
    assert f"{N_CALLS} of {N_CALLS} calls" in said

    assert endpoint.paid == 2 * N_CALLS
    shadow_days(connection, list_versions(connection)[1], first_day=TODAY, last_day=TODAY)
    assert endpoint.paid == 2 * N_CALLS
    assert count(connection, "evaluation.judgements") == 2 * N_CALLS
    assert asked(connection) == ["helpful"]
    assert current(connection, DAY.start) == judged[0].id


def test_a_promotion_switches_the_judge_once_its_day_has_come(
    connection: Connection, judged: tuple[Version, Version]
) -> None:
    shadow_days(connection, judged[1], first_day=TODAY, last_day=TODAY)
    report = bridge_versions(connection, before=judged[0], after=judged[1])
    assert (report.n_shared, report.bridge.is_enough) == (N_CALLS, True)
    now = datetime.now(UTC)
    tomorrow = (now + ONE_DAY).date()

    promote(connection, judged[1], from_day=tomorrow, now=now)
    assert seat_judges(connection, now=now) == []
    assert asked(connection) == ["helpful"]

    assert seat_judges(connection, now=now + ONE_DAY) == [("helpful", "next")]
    assert asked(connection) == ["next"]
    assert seat_judges(connection, now=now + ONE_DAY) == []
    assert [current(connection, at) for at in (now, now + ONE_DAY)] == [judged[0].id, judged[1].id]


def test_a_judge_that_somebody_stopped_is_not_started_by_a_promotion(
    connection: Connection, judged: tuple[Version, Version]
) -> None:
    enable_judge(connection, "helpful", is_enabled=False)
    promote(connection, judged[1], from_day=datetime.now(UTC).date(), is_bridge_waived=True)
    assert seat_judges(connection) == []
    assert asked(connection) == []


def test_a_release_after_a_promotion_takes_over_from_its_moment_on(
    connection: Connection, judged: tuple[Version, Version]
) -> None:
    """Whoever registers a version knows nothing of promotions; its calls must not vanish from the lines."""
    promote(connection, judged[1], from_day=datetime.now(UTC).date(), is_bridge_waived=True)
    seat_judges(connection)
    connection.execute(
        """update evaluation.judges set parameters = '{"temperature": 1}' where judge = 'next'"""
    )
    before = datetime.now(UTC)

    judge_window(connection, DAY)

    third = list_versions(connection, evaluator="helpfulness")[-1]
    assert third.id not in (judged[0].id, judged[1].id)
    moments = (DAY.start, before, datetime.now(UTC))
    assert [current(connection, at) for at in moments] == [judged[0].id, judged[1].id, third.id]
    spans = rows(connection, "select count(*) from evaluation.version_periods where current_to is null")
    assert spans == [(1,)]


def test_a_draft_that_is_enabled_is_current_from_then_on(
    connection: Connection, judged: tuple[Version, Version]
) -> None:
    promote(connection, judged[1], from_day=datetime.now(UTC).date(), is_bridge_waived=True)
    seat_judges(connection)
    enable_judge(connection, "next", is_enabled=False)
    enable_judge(connection, "helpful", is_enabled=True)
    assert current(connection, datetime.now(UTC)) == judged[0].id
