"""`lqo loader` and its metrics: calls land, whoever has the port."""

import socket
from urllib.request import urlopen

import pytest

from ingest.loading.metrics import LoaderMetrics
from orchestration.commands.services import metrics_of


def test_a_taken_port_is_said_and_stops_no_loader(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with metrics_of(LoaderMetrics(), host="127.0.0.1", port=port):
            said = capsys.readouterr().err
    assert said == f"lqo: no metrics on 127.0.0.1:{port}: Address already in use; loading without\n"


def test_a_free_port_answers_while_the_loader_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with metrics_of(LoaderMetrics(), host="127.0.0.1", port=0):
        url = capsys.readouterr().err.removeprefix("metrics on ").strip()
        with urlopen(url, timeout=5) as answer:
            assert b"llm_gateway_loader_database_up 1.0" in answer.read()


def test_without_a_port_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with metrics_of(LoaderMetrics(), host="127.0.0.1", port=None):
        assert capsys.readouterr().err == ""
