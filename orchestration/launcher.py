"""Dagster's own way to start a run, and a way to tell that a started one is dead."""

import json
import socket

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

CONNECT_SECONDS = 5.0


class WatchedRunLauncher(DefaultRunLauncher):
    """A run lives as long as the code server that started it.

    The code server fails a run whose process dies. But nobody fails the runs of a code server that is killed
    itself (`kill -9`, a reboot, a stop that takes too long): they would be `STARTED` for ever and keep the
    pool's slot. Run monitoring asks here, since Dagster's default launcher has no answer. A process that
    survives its code server may end later and be a success after all; the locks of the warehouse keep it
    apart from the next run.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed where the code server of this machine is gone; any other is taken to be alive."""
        path = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("socket")
        if path is None or _listens(path):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "its code server is gone")


def _listens(path: str) -> bool:
    """Whether a process accepts on the Unix socket; one that is too busy to answer still does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_SECONDS)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
