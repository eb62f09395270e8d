"""`python -m orchestration.backfill_daemon WORKSPACE PARENT`: the daemons that a backfill needs, no others.

`dagster-daemon run` would also tick schedules and sensors, and start runs that nobody waits for. SIGTERM
ends it, with the code server and whatever runs: it leads a process group of its own and takes it along. So
does the end of the process PARENT, which started it.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.controller import daemon_controller_from_instance
from dagster._daemon.daemon import BackfillDaemon, DagsterDaemon, MonitoringDaemon
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

# Dagster's own intervals are for a daemon that runs all year; somebody waits for this one.
INTERVAL_SECONDS = 2
MONITORING_SECONDS = 15


def main(workspace: str, *, parent: int) -> None:
    """Run until SIGTERM or SIGINT, until the parent is gone, or until a daemon's thread dies."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    with (
        dg.DagsterInstance.get() as instance,
        daemon_controller_from_instance(
            instance, WorkspaceFileTarget([workspace]), gen_daemons=_daemons, log_format="json"
        ) as controller,
    ):
        # Not the controller's own loop: it puts its signal handlers before ours and then waits up to a
        # minute for a code server that nobody needs any more.
        while os.getppid() == parent:
            time.sleep(1)
            controller.check_daemon_threads()
        _leave()


def _daemons(instance: dg.DagsterInstance) -> Iterator[DagsterDaemon[Any]]:
    yield BackfillDaemon(settings=instance.get_backfill_settings())
    yield QueuedRunCoordinatorDaemon(interval_seconds=INTERVAL_SECONDS)
    yield MonitoringDaemon(interval_seconds=MONITORING_SECONDS)


def _leave(_number: int = 0, _frame: object = None) -> None:
    """All of it at once: the next daemon finds in the database what was under way."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], parent=int(sys.argv[2]))
