"""What a message carries along: words, the chart's points, links, and the query that shows the rows."""

import json
import shlex
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from orchestration.alerts.definition.model import (
    BurnRate,
    CalendarWindow,
    Change,
    Drop,
    MartMetric,
    Rule,
    Seasonal,
    Threshold,
)
from orchestration.alerts.engine.links import links_of, query_of
from orchestration.alerts.engine.tick import evaluate_alerts
from orchestration.alerts.engine.transition import Transition, event_id_of
from orchestration.alerts.engine.verdict import Verdict
from orchestration.alerts.engine.wording import told
from tests.orchestration.alerts.written_rules import COUNT, rule

Connection = psycopg.Connection[TupleRow]
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = "create table marts.calls_hourly (hour timestamptz, model text, n_calls int, n_error int)"


def transition(group: str = "m") -> Transition:
    return Transition(
        event_id=event_id_of("errors", group, "firing", NOON),
        rule="errors",
        group=group,
        transition="firing",
        severity="critical",
        message="it fails",
        happened_at=NOON,
        fingerprint="00ff00ff00ff00ff",
        dimensions={"model": group},
        since=NOON - HOUR,
    )


def test_a_message_has_the_last_48_hours_of_the_windows_figure(rolled_back: Connection) -> None:
    rolled_back.execute(HOURS)
    rolled_back.execute(
        "insert into marts.calls_hourly"
        " select hour, model, 100, case when hour >= %(late)s then 40 else 2 end"
        " from generate_series(%(first)s::timestamptz, %(last)s, '1 hour') as hour,"
        " (values ('m'), ('silent')) as models (model)"
        " where model = 'm' or hour < %(late)s",
        {"first": NOON - 30 * HOUR, "last": NOON - HOUR, "late": NOON - 3 * HOUR},
    )
    rolled_back.execute("grant usage on schema marts to lqo_alerts")
    rolled_back.execute("grant select on marts.calls_hourly to lqo_alerts")
    [found] = evaluate_alerts(rolled_back, rules=[rule()], now=NOON)
    [(payload,)] = rolled_back.execute("select payload from alerting.outbox").fetchall()

    points = [point["value"] for point in payload["points"]]
    assert len(points) == 48
    assert points[-3:] == pytest.approx([0.4, 0.4, 0.4]) and points[-4] == pytest.approx(0.02)
    assert points[0] is None, "before there were calls nothing was measured, which is not 0"
    assert payload["value"] == found.value == pytest.approx(0.4)
    assert (payload["unit"], payload["n"]) == ("share", 100)


def test_links_lead_to_what_the_environment_names() -> None:
    env = {"GRAFANA_URL": "https://grafana.example/ ", "LQO_DAGSTER_UI_URL": "http://dagster:3000"}
    links = {
        link.title: link.url
        for link in links_of(rule(), transition(), extra={"dagster": "/runs/1"}, environ=env)
    }
    assert list(links) == ["Dashboard", "Dagster", "Query"]
    assert links["Dagster"] == "http://dagster:3000/runs/1"
    assert links["Dashboard"].startswith("https://grafana.example/d/lqo-alerts?from=")
    assert [link.title for link in links_of(rule(), transition(), extra={}, environ={})] == ["Query"]


@pytest.mark.parametrize("name", ["m", 'it\'s; $(rm -rf ~) `x` "y"', "모델\n🦜 \\"])
def test_the_query_can_be_pasted_whatever_a_group_is_called(rolled_back: Connection, name: str) -> None:
    rolled_back.execute(HOURS)
    rolled_back.execute("insert into marts.calls_hourly values (%s, %s, 9, 3)", (NOON - HOUR, name))
    command = query_of(rule(), transition(name))
    assert command is not None
    program, verb, statement = shlex.split(command)
    assert (program, verb) == ("lqo", "sql")
    assert rolled_back.execute(statement.encode()).fetchall() == [(NOON - HOUR, name, 9, 3)]


SECOND = Verdict("breach", value=0.31, threshold=0.05, baseline=0.02, low=0.2, high=0.4, q=0.002, n=840)
USD = MartMetric(mart="calls_hourly", kind="sum", unit="usd", numerator="amount_usd")


@pytest.mark.parametrize(
    ("checked", "expected"),
    [
        (
            rule(condition=Threshold(above=0.05)),
            "m: 31.0% over 840 calls in the last 1 h (95 % interval 20.0% to 40.0%, threshold 5.0%)",
        ),
        (
            rule(condition=Change(against="1d", relative=0.5)),
            "m: 31.0% over 840 calls in the last 1 h (2.0% 1 day before, threshold 5.0%)",
        ),
        (
            rule(condition=Drop(baseline="7d", effect=0.05)),
            "m: 31.0% over 840 calls in the last 1 h (2.0% in the 7 days before, 95 % interval of the"
            " difference 20.0% to 40.0%, q 0.002 among the rule's groups, threshold 5.0%)",
        ),
        (
            rule(
                metric=USD,
                condition=BurnRate(period="month", long="1d", short="1h", factor=3, budget=100),
                window=CalendarWindow(period="month"),
            ),
            "m: 0.3 times the budget's pace over 840 calls in the last 1 day and 1 h"
            " (budget $0.02 a month, threshold 0.05 times)",
        ),
        (
            rule(
                window=CalendarWindow(period="day", time_zone="Asia/Seoul"),
                metric=COUNT,
                condition=Seasonal(),
            ),
            "m: 0 calls of 840 today (Asia/Seoul) (0 calls is usual at this time of the last 4 weeks,"
            " usually 0 calls to 0 calls, threshold 0 calls)",
        ),
    ],
    ids=["threshold", "change", "drop", "burn rate", "seasonal"],
)
def test_a_figure_is_told_with_what_it_rests_on(checked: Rule, expected: str) -> None:
    assert told(checked, "m", SECOND) == expected


def test_a_backtest_is_printed_as_json(
    connection: Connection,
    warehouse: DatabaseUrl,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from orchestration.commands.alert_backtest import backtest
    from orchestration.commands.data import Format
    from orchestration.commands.errors import UserError

    monkeypatch.setenv("LQO_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", warehouse.libpq())
    connection.execute(
        "create table marts.failing_hourly ("
        "hour timestamptz, model text, rule_set_version integer, n_scored bigint, n_failed bigint)"
    )
    connection.execute("insert into evaluation.rule_sets (hash) values ('first')")
    connection.execute(
        "insert into marts.failing_hourly"
        " values (date_trunc('hour', now()) - interval '30 hours', 'm', 1, 100, 60)"
    )
    connection.commit()
    backtest("failing_share", days=3, step="1h", form=Format.JSON)
    found = json.loads(capsys.readouterr().out)
    assert (found["n_firings"], found["n_groups"], found["false_alarms_per_week"]) == (1, 1, None)
    [firing] = found["firings"]
    assert (firing["group"], firing["value"], firing["n"]) == ("m", 0.6, 100)
    assert firing["lasted_seconds"] == 24 * 3600

    with pytest.raises(UserError, match="there is no rule 'nonsense'"):
        backtest("nonsense")
