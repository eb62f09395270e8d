"""The API's page of metrics: what the warehouse and Dagster's database say, and that they are away."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from reports.api.app import build_app
from reports.api.doors import build_gate
from reports.metrics.exporter import Exporter, render
from reports.metrics.families import Database
from reports.metrics.reading import Reading, Sample, read_database
from reports.metrics.warehouse import OUTBOX, WAREHOUSE
from tests.conftest import create_database, drop_database

NOWHERE = "host=127.0.0.1 port=1 dbname=none"


@pytest.fixture(scope="module")
def lived_in(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[DatabaseUrl]:
    """A warehouse with a row for each thing that the page tells."""
    name = f"lqo_metrics_{uuid4().hex}"
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=modelled_template)
        url = owner_url.with_database(name)
        with connect(url) as connection:
            live_in(connection)
        yield url
        drop_database(maintenance, name)


def live_in(connection: Connection[TupleRow]) -> None:
    statements = (
        """
        insert into marts.evaluation_coverage (
            day, evaluator, evaluator_version, kind, n_eligible, n_scored, n_failed, n_unscored,
            unscored_by_reason, n_sampled_out, n_pending, coverage
        ) values
            ((now() at time zone 'UTC')::date, 'refusal', '1', 'rule', 10, 7, 2, 1, '{"error":1}', 0, 2, 0.7),
            ((now() at time zone 'UTC')::date - 1, 'refusal', '1', 'rule', 10, 10, 0, 0, '{}', 0, 0, 1),
            ((now() at time zone 'UTC')::date - 9, 'refusal', '1', 'rule', 10, 0, 0, 0, '{}', 0, 10, 0)
        """,
        """
        insert into evaluation.evaluator_versions (evaluator, version, kind, status)
        values ('helpful', 'v1', 'judge', 'active')
        """,
        """
        insert into evaluation.judge_days (evaluator_version_id, day, policy)
        select id, current_date, 'default' from evaluation.evaluator_versions where evaluator = 'helpful'
        """,
        "select ingest.ensure_month((now() at time zone 'UTC')::date)",
        "select ingest.ensure_month((now() at time zone 'UTC')::date - 1)",
        """
        insert into evaluation.judgements
            (started_at, call_id, evaluator_version_id, unscored_reason, judge_model, is_retriable)
        select now(), gen_random_uuid(), id, 'parse_error', 'm', true
        from evaluation.evaluator_versions where evaluator = 'helpful'
        """,
        """
        insert into evaluation.judge_policies (policy, max_usd_per_day) values ('default', 5)
        on conflict (policy) do update set max_usd_per_day = 5
        """,
        """
        insert into evaluation.judge_spend (policy, scope, subject, n_calls, amount_usd)
        values ('default', 'day', (now() at time zone 'UTC')::date::text, 3, 1.25)
        """,
        "insert into raw.dirty_hours (hour, stage) values (date_trunc('hour', now()), 'calls')",
        """
        insert into evaluation.held_hours (hour, n_failures, error, failed_at, retry_at)
        values (now() - interval '9 h', 1, 'e', now(), now() + interval '1 h')
        """,
        "insert into evaluation.day_closes (day, n_calls) values ('2026-01-02', 5)",
        """
        insert into ingest.spools (spool_id, host, path, low_watermark)
        values (gen_random_uuid(), 'h', '/p', now())
        """,
        """
        insert into alerting.events (event_id, rule, group_key, transition, severity, message, happened_at)
        select gen_random_uuid(), 'r' || n, 'g', 'firing', 'critical', 'm', now() - interval '1 h'
        from generate_series(1, 3) as n
        """,
        """
        insert into alerting.outbox (event_id, channel, payload, next_attempt_at, dead_at)
        select event_id, 'slack', '{}', now() - interval '10 min', case rule when 'r3' then now() end
        from alerting.events
        """,
        """
        insert into alerting.silences (rule, ends_at, reason, created_by)
        values ('r2', now() + interval '1 h', 'known', 'me')
        """,
        """
        insert into alerting.states (rule, group_key, state, since, evaluated_at, severity)
        values ('r1', 'g', 'firing', now(), now(), 'critical')
        """,
    )
    for statement in statements:
        connection.execute(statement)  # type: ignore[arg-type]


def read(url: DatabaseUrl, database: Database = WAREHOUSE) -> Reading:
    return asyncio.run(read_database(database, url.psycopg()))


def value(reading: Reading, family: str, *labels: str) -> float | None:
    found = [each.value for each in reading.samples if each.family == family and each.labels == labels]
    assert len(found) <= 1
    return found[0] if found else None


def test_every_family_of_the_warehouse_has_a_figure(lived_in: DatabaseUrl) -> None:
    told = {sample.family for sample in read(lived_in).samples}
    assert told == {family.name for source in WAREHOUSE.sources for family in source.families}


def test_the_ledger_is_of_today_and_yesterday(lived_in: DatabaseUrl) -> None:
    reading = read(lived_in)
    labels = ("refusal", "rule")
    assert value(reading, "llm_evaluator_eligible_calls", *labels) == 20
    assert value(reading, "llm_evaluator_pending_calls", *labels) == 2
    assert value(reading, "llm_evaluator_coverage_ratio", *labels) == 0.85
    assert value(reading, "llm_evaluator_unscored_calls", *labels, "error") == 1


def test_a_silenced_message_does_not_wait_and_a_dead_one_is_counted_apart(lived_in: DatabaseUrl) -> None:
    reading = read(lived_in)
    assert value(reading, "llm_evaluator_outbox_waiting_messages", "slack") == 1
    assert value(reading, "llm_evaluator_outbox_dead_messages", "slack") == 1
    assert value(reading, "llm_evaluator_judge_spend_usd", "default") == 1.25
    assert value(reading, "llm_evaluator_last_closed_day_timestamp_seconds") == 1767312000


def test_no_query_of_the_page_reads_calls_or_all_of_a_fact(lived_in: DatabaseUrl) -> None:
    with connect(lived_in) as connection:
        connection.execute("set enable_seqscan = off")
        plans = {
            source.families[0].name: "\n".join(
                line
                for (line,) in connection.execute(f"explain {source.query}")  # type: ignore[arg-type]
            )
            for source in WAREHOUSE.sources
        }
    for name, plan in plans.items():
        assert "llm_calls" not in plan, name
        assert "Seq Scan on judgements" not in plan, name
        assert "Seq Scan on evaluation_coverage" not in plan, name
    assert "outbox_waiting" in plans[OUTBOX.families[0].name] or "outbox" in plans[OUTBOX.families[0].name]


def test_before_the_marts_are_built_the_rest_is_told(warehouse: DatabaseUrl) -> None:
    reading = read(warehouse)
    assert reading.is_up
    assert value(reading, "llm_evaluator_held_hours") == 0
    assert value(reading, "llm_evaluator_eligible_calls", "refusal", "rule") is None


async def test_a_database_that_is_away_is_said_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Exporter(warehouse=NOWHERE, scheduler=NOWHERE)
    with caplog.at_level("WARNING"):
        text = (await exporter.page()).decode()
    samples = [
        (sample.name, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    assert samples == [("llm_evaluator_up", 0.0), ("llm_evaluator_scheduler_storage_up", 0.0)]
    assert len(caplog.records) == 2


async def test_several_that_scrape_ask_the_database_once() -> None:
    asked: list[str] = []

    async def count(database: Database, conninfo: str) -> Reading:
        asked.append(conninfo)
        await asyncio.sleep(0)
        return Reading(is_up=True, samples=[Sample("llm_evaluator_held_hours", (), 4)])

    exporter = Exporter(warehouse="here", read=count)
    pages = await asyncio.gather(*(exporter.page() for _ in range(20)))
    assert asked == ["here"]
    assert b"llm_evaluator_held_hours 4.0" in pages[0]
    assert b"scheduler" not in pages[0]


async def test_a_database_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(database: Database, conninfo: str) -> Reading:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("reports.metrics.exporter.LONGEST_SECONDS", 0.01)
    assert b"llm_evaluator_up 0.0" in await Exporter(warehouse="here", read=hang).page()


def test_label_values_of_any_text_leave_the_page_readable() -> None:
    odd = 'a"b\\c\n한국어🎈'
    page = render(
        {WAREHOUSE: Reading(is_up=True, samples=[Sample("llm_evaluator_judge_spend_usd", (odd,), 1)])}
    )
    families = {family.name: family for family in text_string_to_metric_families(page.decode())}
    assert families["llm_evaluator_judge_spend_usd"].samples[0].labels == {"policy": odd}


def test_the_page_needs_no_key_where_the_api_does(lived_in: DatabaseUrl, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=lived_in.libpq(), auth="keys")
    gate = build_gate(settings, host="0.0.0.0")
    app = build_app(marts=lived_in.psycopg(), receipts=lived_in.psycopg(), gate=gate)
    with TestClient(app, base_url="http://10.0.0.1") as client:
        answer = client.get("/metrics")
        assert client.get("/v1/alerts/history").status_code in {401, 503}
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "llm_evaluator_up 1.0" in answer.text
