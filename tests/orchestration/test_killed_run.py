"""A run whose process was killed: it is found, failed, and its slot goes to the next."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.utils import make_new_run_id
from dagster_shared.record import copy

from ingest.database.connect import connect
from orchestration.launcher import WatchedRunLauncher
from tests.orchestration.conftest import Stack
from tests.orchestration.seeding import add_calls, count

START = datetime(2026, 10, 14, 3, tzinfo=UTC)
LOCK = "select pg_advisory_lock(hashtextextended('evaluation.rule_results', 0))"
WAITS_FOR_LOCK = """
select count(*) from pg_stat_activity
where datname = current_database() and application_name = 'lqo dagster' and wait_event = 'advisory'
"""


def until(is_true: Callable[[], bool], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


@contextmanager
def daemon(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster-daemon` as `lqo up` runs it; at the end, all of its process group is killed with -9."""
    command = [Path(sys.executable).with_name("dagster-daemon"), "run"]
    workspace = ["-w", stack.settings.dagster / "workspace.yaml"]
    with (stack.settings.home / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [str(part) for part in [*command, *workspace]],
            env={**os.environ, **stack.environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="code servers listen on Unix sockets")
def test_a_refresh_killed_with_all_around_it_is_failed_and_the_next_one_works(
    stack: Stack, instance: dg.DagsterInstance
) -> None:
    written = stack.settings.dagster / "dagster.yaml"
    config = yaml.safe_load(written.read_text())
    config["run_monitoring"]["poll_interval_seconds"] = 1
    written.write_text(yaml.safe_dump(config))
    with connect(stack.url, autocommit=True) as connection:
        with connection.transaction():
            add_calls(connection, 3, start=START)
        connection.execute(LOCK)
        with daemon(stack):
            until(lambda: connection.execute(WAITS_FOR_LOCK).fetchall() == [(1,)])
        connection.execute("select pg_advisory_unlock_all()")
        [killed] = instance.get_runs()
        assert killed.status is dg.DagsterRunStatus.STARTED

        second = copy(killed, run_id=make_new_run_id(), status=dg.DagsterRunStatus.QUEUED)
        instance.run_storage.add_run(second)
        with daemon(stack):
            until(lambda: status(instance, killed) is dg.DagsterRunStatus.FAILURE)
            until(lambda: status(instance, second) is dg.DagsterRunStatus.SUCCESS)

        assert count(connection, "marts.calls") == 3
        assert count(connection, "raw.dirty_hours") == 0


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    record = instance.get_run_by_id(run.run_id)
    assert record
    return record.status


def health(server: dict[str, object] | None) -> WorkerStatus:
    tags = {} if server is None else {GRPC_INFO_TAG: json.dumps(server)}
    run = dg.DagsterRun(job_name="light_refresh", run_id=make_new_run_id(), tags=tags)
    return WatchedRunLauncher().check_run_worker_health(run).status


def test_a_run_lives_as_long_as_its_code_server_listens() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        path = f"{folder}/server"
        gone = health({"host": "localhost", "socket": path})
        server.bind(path)
        server.listen(1)
        alive = health({"host": "localhost", "socket": path})
        server.close()
        refused = health({"host": "localhost", "socket": path})

    assert (gone, alive, refused) == (WorkerStatus.FAILED, WorkerStatus.RUNNING, WorkerStatus.FAILED)


@pytest.mark.parametrize("server", [None, {"host": "code.example", "port": 4000}])
def test_a_run_of_a_code_server_elsewhere_is_left_alone(server: dict[str, object] | None) -> None:
    assert health(server) is WorkerStatus.RUNNING
