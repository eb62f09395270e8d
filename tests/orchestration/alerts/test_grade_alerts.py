"""The alert on judges' grades: beyond doubt, by judges that people bear out, and by no other."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.statistics.estimate import Estimate
from ingest.database.url import DatabaseUrl
from orchestration.alerts.engine.built_in.grade_days import LIMITS, DayGrade, Fall, compare, is_breach
from orchestration.alerts.engine.tick import Tick, tick
from orchestration.resources import Warehouse
from tests.orchestration.alerts.written_rules import shipped
from tests.orchestration.calibration.seeded import add_version

Connection = psycopg.Connection[TupleRow]

RULE = shipped("judge_grades")
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
TODAY = NOON.date()
DAY = timedelta(days=1)
GROUP = "helpfulness 1.0.0+a · m"


@pytest.fixture
def mart(connection: Connection) -> Connection:
    """`marts.judge_quality_daily`, as far as the alert reads it."""
    connection.execute(
        "create table marts.judge_quality_daily (day date, model text, project text, evaluator text,"
        " evaluator_version text, n_scored bigint, n_clusters bigint, mean_score double precision,"
        " mean_score_low double precision, mean_score_high double precision)"
    )
    connection.commit()
    return connection


def calibrate(connection: Connection, version: int, state: str, *, reasons: tuple[str, ...] = ()) -> None:
    connection.execute(
        "insert into evaluation.calibrations (evaluator_version_id, stratum, n, n_clusters, figures, state,"
        " reasons) values (%s, 'overall', 100, 100, '{}', %s, %s)"
        " on conflict (evaluator_version_id, stratum, name)"
        " do update set state = excluded.state, reasons = excluded.reasons",
        (version, state, list(reasons)),
    )
    connection.commit()


def add_days(
    connection: Connection, first: date, last: date, *, mean: float, n: int = 40, version: str = "1.0.0+a"
) -> None:
    """A row a day, with an interval of 0.3 grades to either side."""
    connection.execute(
        "insert into marts.judge_quality_daily"
        " select day::date, 'm', 'shop', 'helpfulness', %(version)s, %(n)s, %(n)s, %(mean)s,"
        " %(mean)s - 0.3, %(mean)s + 0.3 from generate_series(%(first)s::date, %(last)s, '1 day') as day",
        {"first": first, "last": last, "mean": mean, "n": n, "version": version},
    )
    connection.commit()


def evaluate(connection: Connection, now: datetime) -> Tick:
    found = tick(connection, now=now, rules=[RULE])
    connection.commit()
    return found


def moves(connection: Connection, now: datetime) -> list[tuple[str, str]]:
    return [(one.group, one.transition) for one in evaluate(connection, now).transitions]


def messages(connection: Connection) -> list[tuple[Any, ...]]:
    with connection.transaction():
        return connection.execute(
            "select transition, severity, message from alerting.events inner join alerting.outbox"
            " using (event_id) order by events.happened_at"
        ).fetchall()


def test_a_fall_by_a_calibrated_judge_fires_once_and_resolves(mart: Connection) -> None:
    calibrate(mart, add_version(mart), "ok")
    add_days(mart, TODAY - 9 * DAY, TODAY - 2 * DAY, mean=4.2)
    add_days(mart, TODAY - DAY, TODAY, mean=3.4)
    add_days(mart, TODAY + DAY, TODAY + 2 * DAY, mean=4.2)

    assert moves(mart, NOON) == [(GROUP, "firing")]
    assert moves(mart, NOON) == [], "the same moment again"
    assert moves(mart, NOON + timedelta(hours=1)) == []
    assert moves(mart, NOON + 2 * DAY) == [(GROUP, "resolved")]
    fired, resolved = messages(mart)
    assert fired[:2] == ("firing", "warning")
    assert "mean grade 3.40 of 80 calls in the last 2 days, -0.80 against the 4.20 of 280 before" in fired[2]
    assert resolved[0] == "resolved"


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (None, "uncalibrated (nobody has compared it with people's labels)"),
        ("uncalibrated", "uncalibrated (too few labels)"),
        ("degraded", "degraded (too few labels)"),
    ],
)
def test_a_judge_that_people_do_not_bear_out_stays_silent_and_says_so(
    mart: Connection, state: str | None, why: str
) -> None:
    version = add_version(mart)
    if state:
        calibrate(mart, version, state, reasons=("too few labels",))
    add_days(mart, TODAY - 9 * DAY, TODAY - 2 * DAY, mean=4.2)
    add_days(mart, TODAY - DAY, TODAY, mean=3.4)

    found = evaluate(mart, NOON)
    assert found.transitions == []
    assert found.silenced == [f"{GROUP}: -0.80, the judge is {why}"]
    assert messages(mart) == []


def test_an_alert_ends_with_the_trust_in_its_judge(mart: Connection) -> None:
    version = add_version(mart)
    calibrate(mart, version, "ok")
    add_days(mart, TODAY - 9 * DAY, TODAY - 2 * DAY, mean=4.2)
    add_days(mart, TODAY - DAY, TODAY, mean=3.4)
    assert moves(mart, NOON) == [(GROUP, "firing")]

    calibrate(mart, version, "degraded", reasons=("kappa below 0.6",))
    assert moves(mart, NOON + timedelta(hours=1)) == [(GROUP, "resolved")]
    assert messages(mart)[-1][2] == f"{GROUP}: no alert any more, the judge is degraded (kappa below 0.6)"
    assert moves(mart, NOON + timedelta(hours=2)) == []


def test_a_fall_that_lasts_is_compared_with_the_days_before_it(mart: Connection) -> None:
    calibrate(mart, add_version(mart), "ok")
    add_days(mart, TODAY - 9 * DAY, TODAY - 2 * DAY, mean=4.2)
    add_days(mart, TODAY - DAY, TODAY + 40 * DAY, mean=3.4)
    assert moves(mart, NOON) == [(GROUP, "firing")]

    assert moves(mart, NOON + 20 * DAY) == [], "a week of low grades is no reason to be content with them"
    assert moves(mart, NOON + 31 * DAY) == [(GROUP, "resolved")], "a month of them is how things are"


def test_two_versions_of_a_judge_are_never_compared(mart: Connection) -> None:
    for version in ("1.0.0+a", "2.0.0+b"):
        calibrate(mart, add_version(mart, version=version), "ok")
    add_days(mart, TODAY - 9 * DAY, TODAY - 2 * DAY, mean=4.2)
    add_days(mart, TODAY - DAY, TODAY, mean=3.4, version="2.0.0+b")

    found = evaluate(mart, NOON)
    assert (found.transitions, found.silenced) == ([], [])


def test_without_grades_an_alert_waits_for_the_refresh_and_then_ends(mart: Connection) -> None:
    calibrate(mart, add_version(mart), "ok")
    add_days(mart, TODAY - 9 * DAY, TODAY - 2 * DAY, mean=4.2)
    add_days(mart, TODAY - DAY, TODAY, mean=3.4)
    assert moves(mart, NOON) == [(GROUP, "firing")]
    later = NOON + 3 * DAY
    mart.execute(
        "insert into raw.dirty_hours (hour, stage, changed_at) values (%s, 'scores', %s)",
        (later - timedelta(hours=3), later - timedelta(hours=2)),
    )

    assert moves(mart, later) == []
    mart.execute("delete from raw.dirty_hours")
    assert moves(mart, later + timedelta(minutes=1)) == [(GROUP, "resolved")]


def test_without_the_mart_nothing_is_said(connection: Connection) -> None:
    found = evaluate(connection, NOON)
    assert (found.transitions, found.silenced) == ([], [])


@pytest.mark.parametrize(
    ("recent", "before", "expected"),
    [
        (Estimate(3.4, 3.2, 3.6, 80), Estimate(4.2, 4.1, 4.3, 280), True),
        (Estimate(3.4, 3.2, 3.6, 29), Estimate(4.2, 4.1, 4.3, 280), False),
        (Estimate(3.4, 3.2, 3.6, 80), Estimate(4.2, 4.1, 4.3, 59), False),
        (Estimate(3.9, 3.5, 4.3, 80), Estimate(4.2, 4.0, 4.4, 280), False),
        (Estimate(4.05, 4.04, 4.06, 9_000), Estimate(4.2, 4.19, 4.21, 90_000), False),
        (Estimate(4.9, 4.8, 5.0, 80), Estimate(4.2, 4.1, 4.3, 280), False),
    ],
    ids=["a fall", "few calls", "few calls before", "noise", "too small to matter", "a rise"],
)
def test_only_a_fall_beyond_doubt_is_one(recent: Estimate, before: Estimate, *, expected: bool) -> None:
    days = [
        DayGrade(TODAY, recent.n, recent.n, recent.value, recent.low, recent.high),
        DayGrade(TODAY - 5 * DAY, before.n, before.n, before.value, before.low, before.high),
    ]
    fall = compare(days, limits=LIMITS, now=NOON, since=None)
    assert is_breach(LIMITS, fall) is expected


def test_days_without_an_interval_are_not_taken_for_certain() -> None:
    few = DayGrade(TODAY, 40, 3, 3.0, None, None)
    many = DayGrade(TODAY - 5 * DAY, 400, 399, 5.0, None, None)
    assert (few.estimate.low, few.estimate.high) == (2.0, 4.0)
    assert (many.estimate.low, many.estimate.high) == (4.99, 5.01)

    one = [DayGrade(TODAY, 40, 1, 3.5, None, None), many]
    assert not is_breach(LIMITS, compare(one, limits=LIMITS, now=NOON, since=None))
    fall = compare([many], limits=LIMITS, now=NOON, since=None)
    assert isinstance(fall, Fall)
    assert not is_breach(LIMITS, fall)


def test_the_tick_of_the_sensor_names_the_judge_that_stays_silent(
    mart: Connection, warehouse: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.sensors import alerts

    monkeypatch.setenv("LQO_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", warehouse.libpq())
    add_version(mart)
    today = datetime.now(UTC).date()
    add_days(mart, today - 9 * DAY, today - 2 * DAY, mean=4.2)
    add_days(mart, today - DAY, today, mean=3.4)

    with dg.build_sensor_context(resources={"warehouse": Warehouse()}) as context:
        said: Any = alerts(context)
    assert said.skip_message is not None
    assert f"the judge may not alert: {GROUP}: -0.80, the judge is uncalibrated" in said.skip_message


def test_a_mart_that_is_not_as_it_should_be_is_an_error_of_this_rule_alone(mart: Connection) -> None:
    mart.execute("create table marts.calls (n bigint)")
    mart.execute("alter table marts.judge_quality_daily rename column mean_score to gone")
    mart.commit()

    found = tick(mart, rules=[RULE], now=NOON)

    assert "mean_score does not exist" in found.errors["judge_grades"]
