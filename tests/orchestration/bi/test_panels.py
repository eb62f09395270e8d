"""Each panel's query finds rows in filled marts, as BI's own login, and none where there is nothing."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from reports.grafana.catalogue import DASHBOARDS
from reports.grafana.queries import Query, interpolate, panel_queries
from tests.orchestration.bi.filled import SINCE, UNTIL, call_id

# One role for the whole server: whoever sets its password must not do so while another test uses it.
pytestmark = pytest.mark.xdist_group("lqo_bi")

Connection = psycopg.Connection[TupleRow]
SQL_QUERIES = [query for query in panel_queries() if query.is_sql]
TITLES = [dashboard.title for dashboard in DASHBOARDS]
CHOSEN = {
    "model": ("model-0",),
    "project": ("project-0",),
    "evaluator": ("refusal", "helpfulness", "rules"),
    "call_id": (str(call_id(0, at=SINCE)),),
}


def rows_of(
    connection: Connection,
    query: Query,
    *,
    since: datetime = SINCE,
    until: datetime = UNTIL,
    variables: Mapping[str, Sequence[str]] | None = None,
) -> list[TupleRow]:
    filled_in = interpolate(
        query.text, since=since, until=until, variables={**query.defaults, **(variables or {})}
    )
    return connection.execute(filled_in.encode()).fetchall()


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("days", [1, 7], ids=["hours", "days"])
def test_every_query_of_a_dashboard_finds_rows(bi: Connection, title: str, days: int) -> None:
    until = datetime(2026, 11, 3 if days == 1 else 8, 23, tzinfo=UTC)
    since = until - timedelta(days=days + 1)
    queries = [query for query in SQL_QUERIES if query.dashboard == title]
    assert queries
    without = [
        query.panel
        for query in queries
        if not rows_of(bi, query, since=since, until=until, variables={"call_id": CHOSEN["call_id"]})
    ]
    assert without == []


@pytest.mark.parametrize("grain", ["day", "week", "month"])
def test_what_is_chosen_is_what_comes(bi: Connection, grain: str) -> None:
    for query in SQL_QUERIES:
        found = rows_of(bi, query, variables={**CHOSEN, "grain": (grain,)})
        assert found, (query.dashboard, query.panel)
        if re.search(r"model in \(", query.text) and query.dashboard != "LQO Calls":
            assert "model-1" not in {value for row in found for value in row[:1]}, query.panel


def test_points_of_a_chart_begin_periods_and_are_in_order(bi: Connection) -> None:
    charts = [query for query in SQL_QUERIES if re.search(r"order by (1, 2|time, model)\s*$", query.text)]
    assert len(charts) > 15
    for query in charts:
        for grain, is_begin in (("week", lambda t: t.weekday() == 0), ("month", lambda t: t.day == 1)):
            times = [row[0] for row in rows_of(bi, query, variables={"grain": (grain,)})]
            assert times == sorted(times), query.panel
            if "${grain" in query.text:
                assert all(is_begin(time) for time in times), (query.panel, grain)


def test_a_span_that_ends_at_midnight_has_nothing_of_the_next_day(bi: Connection) -> None:
    until = datetime(2026, 11, 5, tzinfo=UTC)
    (query,) = [each for each in SQL_QUERIES if each.panel == "Cost by model over time"]
    for days in (2, 10):
        times = [row[0] for row in rows_of(bi, query, since=until - timedelta(days=days), until=until)]
        assert max(times) == datetime(2026, 11, 4, tzinfo=UTC)


def test_a_value_cannot_leave_its_quotes(bi: Connection) -> None:
    evil = "x') or true; drop table marts.calls; -- '' \\"
    for query in SQL_QUERIES:
        rows_of(bi, query, variables=dict.fromkeys(("model", "project", "evaluator"), (evil, "model-0")))
        if "${call_id" in query.text:
            assert rows_of(bi, query, variables={"call_id": (evil,)}) == []


def test_ten_years_are_answered(bi: Connection) -> None:
    for query in SQL_QUERIES:
        rows_of(bi, query, since=SINCE - timedelta(days=3650), until=UNTIL)


def test_one_call_is_all_that_the_marts_know(bi: Connection) -> None:
    (query,) = [query for query in SQL_QUERIES if query.panel == "One call"]
    facts = dict(rows_of(bi, query, variables={"call_id": CHOSEN["call_id"]}))
    assert facts["call_id"] == CHOSEN["call_id"][0]
    assert facts["model"] == "model-0"
    assert rows_of(bi, query, variables={"call_id": ("",)}) == []


def panel(title: str) -> Query:
    return next(query for query in SQL_QUERIES if query.panel == title)


def test_a_kind_of_tokens_that_nobody_reported_does_not_hide_another(filled: DatabaseUrl) -> None:
    with connect(filled) as connection:
        connection.execute(
            "update marts.cost_daily set cache_write_1h = null, output_audio = null, input_image = null"
        )
        kinds = {kind: n for _, kind, n in rows_of(connection, panel("Tokens by kind"))}
        connection.rollback()
    assert kinds["cache write"] == kinds["audio"] == kinds["images"] == kinds["cache read"] > 0


def test_a_model_without_a_verdict_is_listed_with_not_enough_data(filled: DatabaseUrl) -> None:
    with connect(filled) as connection:
        connection.execute("update marts.traffic_mix set n_scored = 0, n_failed = 0 where model = 'model-1'")
        found = {row[0]: row for row in rows_of(connection, panel("Models against the others"))}
        connection.rollback()
    assert set(found) == {"model-0", "model-1"}
    assert found["model-1"][1:5] == (None, 700, 0, None)
    assert found["model-1"].count("not enough data") == 3


def test_figures_of_two_rule_sets_name_both(filled: DatabaseUrl) -> None:
    with connect(filled) as connection:
        connection.execute("update marts.failing_hourly set rule_set_version = 2 where hour >= '2026-11-04'")
        for mart in ("quality_by_user", "quality_by_prompt"):
            update = f"update marts.{mart} set evaluator_version = '2' where day >= '2026-11-04'"
            connection.execute(update.encode())
        for title in ("As of", "Users whose calls fail", "Prompts and their versions"):
            assert any("1, 2" in row for row in rows_of(connection, panel(title))), title
        connection.rollback()


def test_empty_marts_are_no_error(modelled_warehouse: DatabaseUrl) -> None:
    with connect(modelled_warehouse) as connection:
        for query in SQL_QUERIES:
            rows_of(connection, query)


def test_a_query_reads_marts_only() -> None:
    for query in SQL_QUERIES:
        schemas = set(re.findall(r"\b(?:from|join)\s+(\w+)\.", query.text))
        assert schemas <= {"marts"}, query.panel
