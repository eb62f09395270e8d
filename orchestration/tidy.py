"""Our own traces: runs, event logs, compute logs and dbt targets go after 14 days."""

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

KEEP_DAYS = 14
BATCH = 200
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

# Dagster's own delete_run takes the materialisations along, and with them the partition goes grey in the
# UI although its rows are there. So the newest materialisation of each asset and partition stays.
OLD_EVENTS = """
delete from event_logs as old
where old.timestamp < :before
    and (
        old.dagster_event_type is distinct from 'ASSET_MATERIALIZATION'
        or exists (
            select from event_logs as newer
            where newer.asset_key = old.asset_key
                and newer.dagster_event_type = 'ASSET_MATERIALIZATION'
                and newer.partition is not distinct from old.partition
                and newer.id > old.id
        )
    )
    and not exists (select from runs where runs.run_id = old.run_id)
"""
OLD_CHECKS = """
delete from asset_check_executions as old
where old.create_timestamp < :before
    and exists (
        select from asset_check_executions as newer
        where newer.asset_key = old.asset_key and newer.check_name = old.check_name and newer.id > old.id
    )
"""


def tidy_runs(instance: dg.DagsterInstance, *, compute_logs: Path, now: datetime | None = None) -> int:
    """Delete ended runs older than 14 days, their events and compute logs; returns how many runs went."""
    before = (now or datetime.now(UTC)) - timedelta(days=KEEP_DAYS)
    n_deleted = 0
    while old := instance.get_runs(dg.RunsFilter(statuses=ENDED, updated_before=before), limit=BATCH):
        for run in old:
            instance.run_storage.delete_run(run.run_id)
            shutil.rmtree(compute_logs / run.run_id, ignore_errors=True)
        n_deleted += len(old)
    # sqlalchemy is 0.3 s that a load of the code location would pay for nothing.
    from sqlalchemy import text

    # Timestamps of these tables are naive UTC.
    values = {"before": before.astimezone(UTC).replace(tzinfo=None)}
    with instance.event_log_storage.index_connection() as connection:  # pyright: ignore
        connection.execute(text(OLD_EVENTS), values)
        connection.execute(text(OLD_CHECKS), values)
    return n_deleted


def tidy_files(folder: Path, *, now: float | None = None) -> int:
    """Delete the subfolders of `folder` that nothing has written to for 14 days; returns how many."""
    if not folder.is_dir():
        return 0
    before = (now or time.time()) - KEEP_DAYS * 86_400
    old = [child for child in folder.iterdir() if child.is_dir() and child.stat().st_mtime < before]
    for child in old:
        shutil.rmtree(child, ignore_errors=True)
    return len(old)
