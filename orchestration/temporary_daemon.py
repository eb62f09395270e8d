"""A daemon for as long as a command needs one."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from ingest.settings import Settings
from orchestration.supervisor import Part, Supervisor

NEEDED = ("BACKFILL", "QUEUED_RUN_COORDINATOR")
# Daemons beat every 30 s; two missed beats and a half are no slow machine any more.
ALIVE_SECONDS = 75.0


def daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    """Whether somebody's daemon would take a backfill and its runs."""
    beats = instance.get_daemon_heartbeats()
    oldest = time.time() - ALIVE_SECONDS
    return all(name in beats and beats[name].timestamp >= oldest for name in NEEDED)


@contextmanager
def temporary_daemon(
    instance: dg.DagsterInstance, settings: Settings, environment: Mapping[str, str]
) -> Iterator[None]:
    """Run `orchestration.backfill_daemon` inside the block; nothing of it is left afterwards.

    Its heartbeats are wiped, or the next command would wait over a minute for a daemon that is gone.
    """
    command = [
        sys.executable,
        "-m",
        "orchestration.backfill_daemon",
        str(settings.dagster / "workspace.yaml"),
        str(os.getpid()),
    ]
    part = Part("backfill-daemon", command, env=environment)
    supervisor = Supervisor([part], logs=settings.home / "logs")
    supervisor.start(on_ready=lambda _part: None)
    try:
        yield
    finally:
        supervisor.stop()
        instance.wipe_daemon_heartbeats()
