"""Dagster's instance of this home: its configuration, its storage, its pool, its environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from sqlalchemy import create_engine

from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.partitions import POOL

LOCATION = "llm-quality-observer"
MODULE = "orchestration.definitions"
KEEP_DAYS = 14


def prepare_instance(settings: Settings, dagster_url: DatabaseUrl) -> dict[str, str]:
    """Write `dagster.yaml` and `workspace.yaml`, make the storage, set the pool's limit.

    Returns the environment in which dagster's processes of this home run. The password stands only
    there: the file names a variable. Safe to call again and while the stack runs.
    """
    home = settings.dagster
    home.mkdir(parents=True, exist_ok=True)
    _write(home / "dagster.yaml", instance_config(settings))
    _write(home / "workspace.yaml", workspace_config())
    environment = instance_environment(settings, dagster_url)
    os.environ.update(environment)
    with open_instance(settings) as instance:
        instance.event_log_storage.set_concurrency_slots(POOL, 1)
    return environment


def instance_environment(settings: Settings, dagster_url: DatabaseUrl) -> dict[str, str]:
    """What every process of this home's Dagster needs to see; telemetry is off in three ways."""
    return {
        "DAGSTER_HOME": str(settings.dagster),
        "LQO_DAGSTER_URL": dagster_url.sqlalchemy("psycopg2"),
        "LQO_HOME": str(settings.home),
        "LQO_START": settings.start.isoformat(),
        "DO_NOT_TRACK": "1",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """This home's instance. Needs the environment that `prepare_instance` returned.

    Its storages keep a connection while it is open: by themselves they log in anew for every event, which
    was a third of the time of a run.
    """
    with dg.DagsterInstance.from_config(str(settings.dagster)) as instance:
        # The storages have no public way to a pool that asks first whether its connection still lives.
        storages: list[Any] = [instance.event_log_storage, instance.run_storage, instance.schedule_storage]
        for storage in storages:
            storage._engine = create_engine(
                storage.postgres_url,
                isolation_level="AUTOCOMMIT",
                pool_size=1,
                max_overflow=-1,
                pool_pre_ping=True,
            )
        try:
            yield instance
        finally:
            for storage in storages:
                storage._engine.dispose()


def instance_config(settings: Settings) -> dict[str, Any]:
    """The content of `dagster.yaml`."""
    home = settings.dagster
    return {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "storage": {"postgres": {"postgres_url": {"env": "LQO_DAGSTER_URL"}}},
        "local_artifact_storage": _configurable(
            "dagster._core.storage.root", "LocalArtifactStorage", base_dir=str(home / "artifacts")
        ),
        "compute_logs": _configurable(
            "dagster._core.storage.local_compute_log_manager",
            "LocalComputeLogManager",
            base_dir=str(home / "compute_logs"),
        ),
        "concurrency": {
            # Of runs, not of steps: two runs that take turns step by step would interleave their days.
            "pools": {"granularity": "run", "default_limit": 1},
            "runs": {"max_concurrent_runs": 4},
        },
        # A run that was killed, with its code server or without, is marked failed, which frees its pool slot.
        "run_launcher": _configurable("orchestration.launcher", "WatchedRunLauncher"),
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": 180,
            "poll_interval_seconds": 30,
            "free_slots_after_run_end_seconds": 30,
        },
        "retention": {
            "schedule": {"purge_after_days": KEEP_DAYS},
            "sensor": {"purge_after_days": {"skipped": 1, "success": KEEP_DAYS, "failure": KEEP_DAYS}},
        },
        "schedules": {"use_threads": True, "num_workers": 2},
        "sensors": {"use_threads": True, "num_workers": 2},
        "code_servers": {"local_startup_timeout": 120},
    }


def workspace_config() -> dict[str, Any]:
    """The content of `workspace.yaml`: one code location, this package's."""
    return {"load_from": [{"python_module": {"module_name": MODULE, "location_name": LOCATION}}]}


def _configurable(module: str, name: str, **config: str) -> dict[str, Any]:
    return {"module": module, "class": name, "config": config}


def _write(path: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step: a daemon that starts meanwhile reads the old or the new one."""
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    fresh.replace(path)
