"""A shipped rule, from a real page of metrics by real Prometheus and Alertmanager to Slack and to history."""

from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

from ingest.loading.metrics import LoaderMetrics, served
from ingest.loading.result import LoaderResult
from reports.alert_history import record
from reports.api.alertmanager import Webhook, notices_of
from tests.infra.alertmanager_server import running_alertmanager
from tests.infra.prometheus_live import scraping
from tests.infra.receivers import receiving

ALERT = "LoaderDatabaseDown"


def of_alert(bodies: list[Any], status: str) -> list[Any]:
    return [
        each
        for body in bodies
        for each in body["alerts"]
        if each["labels"]["alertname"] == ALERT and each["status"] == status
    ]


def titles(bodies: list[Any]) -> list[str]:
    return [title for body in bodies if ALERT in (title := body["attachments"][0]["title"])]


def test_a_live_alert_fires_reaches_people_resolves_and_stands_in_history(
    connection: psycopg.Connection[TupleRow], tmp_path: Path
) -> None:
    metrics, spool = LoaderMetrics(), tmp_path / "spool"
    with (
        receiving() as slack,
        receiving() as history,
        served(metrics, host="127.0.0.1", port=0) as port,
        running_alertmanager(tmp_path, slack=slack, history=history) as alertmanager,
    ):
        places = {"loader": f"127.0.0.1:{port}", "alertmanager": alertmanager.url.removeprefix("http://")}
        with scraping(tmp_path, places, is_hasty=True):
            metrics.failed(spool)
            slack.wait(lambda bodies: len(titles(bodies)) == 1)
            metrics.drained(spool, LoaderResult(), is_complete=True)
            assert [title[0] for title in titles(slack.wait(lambda b: len(titles(b)) == 2))] == [
                "🔴",
                "🟢",
            ]
            bodies = history.wait(lambda b: bool(of_alert(b, "firing")) and bool(of_alert(b, "resolved")))
    for body in bodies:
        record(connection, notices_of(msgspec.convert(body, Webhook, strict=False)))
    rows = connection.execute(
        "select transition, group_key, owner from alerting.events where rule = %s order by happened_at",
        [ALERT],
    ).fetchall()
    group = f"instance=127.0.0.1:{port} · severity=warning"
    assert rows == [("firing", group, "platform"), ("resolved", group, "platform")]
    state = connection.execute(
        "select state, source from alerting.states where rule = %s", [ALERT]
    ).fetchone()
    assert state == ("resolved", "alertmanager")
