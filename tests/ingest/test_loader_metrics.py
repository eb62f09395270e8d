"""The loader's own metrics: what landed, when, and that the database is away."""

import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.database.url import DatabaseUrl
from ingest.loader import LoaderError, run_loader
from ingest.loading.metrics import LoaderMetrics, served
from ingest.loading.result import LoaderResult
from ingest.settings import Settings
from ingest.spool.writer import Spool
from tests.ingest.spool_calls import end, start, write


def value(metrics: LoaderMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"llm_gateway_loader_{name}", labels)


async def test_a_run_counts_what_landed_and_what_was_there(
    spool: Spool, settings: Settings, warehouse: DatabaseUrl
) -> None:
    began = time.time()
    metrics = LoaderMetrics()
    call = start()
    await write(spool, call, end(call))
    run_loader(settings, warehouse, once=True, metrics=metrics)
    run_loader(settings, warehouse, once=True, replay=True, metrics=metrics)
    assert value(metrics, "calls_total", outcome="landed") == 1
    assert value(metrics, "calls_total", outcome="already_there") == 1
    assert value(metrics, "calls_total", outcome="rejected") == 0
    assert value(metrics, "database_up") == 1
    for name in ("last_pass_timestamp_seconds", "last_landing_timestamp_seconds"):
        assert (value(metrics, name, spool="spool") or 0) >= began


async def test_a_database_that_is_away_is_down_until_it_answers(
    spool: Spool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.loader.pause_after", lambda failures: 0.0)
    metrics = LoaderMetrics()
    nowhere = DatabaseUrl(user="nobody", host="127.0.0.1", port=1, dbname="none")
    with pytest.raises(LoaderError):
        run_loader(settings, nowhere, once=True, metrics=metrics)
    assert value(metrics, "database_up") == 0
    assert (value(metrics, "failures_total") or 0) > 1
    metrics.drained(spool.directory, LoaderResult(), is_complete=False)
    assert value(metrics, "database_up") == 1


def test_one_of_several_spools_without_a_database_counts_as_down(tmp_path: Path) -> None:
    metrics = LoaderMetrics()
    metrics.failed(tmp_path / "worker-1")
    metrics.drained(tmp_path / "worker-2", LoaderResult(), is_complete=True)
    assert value(metrics, "database_up") == 0


def test_the_page_is_served_until_the_block_ends(tmp_path: Path) -> None:
    metrics = LoaderMetrics()
    metrics.opened(tmp_path / "spool")
    with served(metrics, host="127.0.0.1", port=0) as port:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        with pytest.raises(OSError, match="in use"), served(metrics, host="127.0.0.1", port=port):
            pass
    names = {family.name for family in text_string_to_metric_families(text)}
    assert "llm_gateway_loader_last_pass_timestamp_seconds" in names
    with pytest.raises(OSError, match="refused"):
        urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)
