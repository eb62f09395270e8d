"""`lqo backfill`: what the UI's backfill does, from the command line; and days in this very process."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.execution.backfill import (
    BULK_ACTION_TERMINAL_STATUSES,
    BulkActionStatus,
    PartitionBackfill,
)
from dagster._core.utils import make_new_backfill_id

from ingest.database.sibling import dagster_database
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.dbt import ensure_manifest, ensure_views
from orchestration.instance import open_instance, prepare_instance
from orchestration.partitions import WEEKLY, range_tags
from orchestration.selection import resolve_assets
from orchestration.temporary_daemon import daemon_is_alive, temporary_daemon

BACKFILL_TAG = "dagster/backfill"
# After today's runs in the queue: a backfill of a year must not make today wait.
PRIORITY = {"dagster/priority": "-1"}
POLL_SECONDS = 1.0
# Days of one in-process run; scores and charges work in chunks, so it is dbt's windows that grow.
MOST_DAYS = 31

OnProgress = Callable[[str], None]


class BackfillError(RuntimeError):
    """A backfill or a run could not do its work; the message is one line."""


@dataclass(frozen=True, slots=True)
class BackfillOutcome:
    """How a backfill ended. `error` is one line, None when every run succeeded."""

    backfill_id: str
    n_assets: int
    n_days: int
    n_runs: int
    seconds: float
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    def __str__(self) -> str:
        done = f"backfill {self.backfill_id}: {self.n_assets} assets over {self.n_days} days"
        ended = f"{self.n_runs} runs, {self.seconds:.0f} s"
        return f"{done}: {'done' if self.ok else f'failed: {self.error}'} ({ended})"


def backfill(
    settings: Settings,
    url: DatabaseUrl,
    assets: Sequence[str],
    *,
    from_day: date,
    to_day: date,
    on_progress: OnProgress = lambda _line: None,
    dagster_url: DatabaseUrl | None = None,
) -> BackfillOutcome:
    """Create a backfill of the assets over the days (both included) and wait until it has ended.

    The stack's daemon works on it where one is alive; otherwise one is started for as long as it takes.
    Raises UnknownAssetError, BackfillError, and what the database says when it is away.
    """
    started = time.monotonic()
    _refuse_days(settings, from_day=from_day, to_day=to_day)
    ensure_manifest(settings)
    ensure_views(settings, url)
    environment = prepare_instance(settings, dagster_url or dagster_database(settings, url))
    with open_instance(settings) as instance:
        request = _request(instance, assets, from_day=from_day, to_day=to_day)
        instance.add_backfill(request)
        on_progress(f"backfill {request.backfill_id} requested")
        environment = {**environment, "DATABASE_URL": url.libpq()}
        with _daemon(instance, settings, environment, on_progress=on_progress) as revive:
            status = _wait(instance, request.backfill_id, on_progress=on_progress, revive=revive)
        runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: request.backfill_id}))
        return BackfillOutcome(
            backfill_id=request.backfill_id,
            n_assets=len(request.asset_selection or ()),
            n_days=(to_day - from_day).days + 1,
            n_runs=len(runs),
            seconds=time.monotonic() - started,
            error=None if status is BulkActionStatus.COMPLETED_SUCCESS else _why(instance, request, runs),
        )


def run_days(
    settings: Settings, *, from_day: date, to_day: date, on_progress: OnProgress = lambda _line: None
) -> None:
    """Run the job `day` over the days (both included) in this process; raises BackfillError.

    For the demo: no queue, no daemon, no code server. It does not hold the pool; the locks in the database
    keep it apart from other writers. What dbt prints goes to `<home>/logs/days.log`.
    """
    from orchestration.definitions import defs

    job = defs().resolve_job_def("day")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    log = settings.home / "logs" / "days.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open_instance(settings) as instance, log.open("a") as output:
        for first, last in _spans(from_day, to_day):
            on_progress(f"{first} to {last}")
            with contextlib.redirect_stdout(output):
                result = job.execute_in_process(
                    run_config=quiet, instance=instance, tags=range_tags(first, last), raise_on_error=False
                )
            if not result.success:
                raise BackfillError(failure_of(instance, result.run_id))


def failure_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """The first failed step of a run and its innermost message, as one line."""
    failures = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in failures:
        event = entry.dagster_event
        error = event.step_failure_data.error if event else None
        if event and error:
            while error.cause:
                error = error.cause
            return f"step {event.step_key}: {' '.join(error.message.split())[:500]}"
    return f"run {run_id[:8]} ended without a failed step (its process may have been killed)"


def _refuse_days(settings: Settings, *, from_day: date, to_day: date) -> None:
    today = datetime.now(UTC).date()
    if from_day > to_day:
        raise BackfillError(f"{from_day} is after {to_day}")
    if from_day < settings.start or to_day > today:
        raise BackfillError(f"days must lie from {settings.start} (LQO_START) to {today}")


def _request(
    instance: dg.DagsterInstance, assets: Sequence[str], *, from_day: date, to_day: date
) -> PartitionBackfill:
    from orchestration.definitions import defs

    definitions = defs()
    # A weekly report has no days of its own: `lqo report weekly --week` makes an old one.
    specs = [spec for spec in definitions.resolve_all_asset_specs() if spec.partitions_def != WEEKLY]
    keys = resolve_assets(assets, specs=specs)
    days = [(from_day + timedelta(days=n)).isoformat() for n in range((to_day - from_day).days + 1)]
    return PartitionBackfill.from_asset_partitions(
        backfill_id=make_new_backfill_id(),
        asset_graph=definitions.resolve_asset_graph(),
        partition_names=days,
        asset_selection=keys,
        backfill_timestamp=time.time(),
        tags=PRIORITY,
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=f"lqo backfill {' '.join(assets)}",
        description=None,
        run_config=None,
    )


@contextmanager
def _daemon(
    instance: dg.DagsterInstance, settings: Settings, environment: dict[str, str], *, on_progress: OnProgress
) -> Iterator[Callable[[], None]]:
    """Yields what to call now and then: it starts a daemon of our own once no other one is alive."""
    with contextlib.ExitStack() as stack:
        is_ours = False

        def revive() -> None:
            nonlocal is_ours
            if not is_ours and not daemon_is_alive(instance):
                is_ours = True
                on_progress("no daemon is running: starting one for this backfill")
                stack.enter_context(temporary_daemon(instance, settings, environment))

        yield revive


def _wait(
    instance: dg.DagsterInstance, backfill_id: str, *, on_progress: OnProgress, revive: Callable[[], None]
) -> BulkActionStatus:
    said = ""
    while True:
        revive()
        found = instance.get_backfill(backfill_id)
        if found is None:
            raise BackfillError(f"backfill {backfill_id} was deleted")
        runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill_id}))
        line = _progress(runs)
        if line != said:
            on_progress(line)
            said = line
        if found.status in BULK_ACTION_TERMINAL_STATUSES:
            return found.status
        time.sleep(POLL_SECONDS)


def _progress(runs: Sequence[dg.DagsterRun]) -> str:
    n_done = sum(run.is_success for run in runs)
    n_failed = sum(run.is_failure_or_canceled for run in runs)
    failed = f", {n_failed} failed" if n_failed else ""
    return f"{n_done} of {len(runs)} runs done{failed}" if runs else "waiting for the first run"


def _why(instance: dg.DagsterInstance, request: PartitionBackfill, runs: Sequence[dg.DagsterRun]) -> str:
    for run in runs:
        if run.is_failure_or_canceled:
            return failure_of(instance, run.run_id)
    found = instance.get_backfill(request.backfill_id)
    if found is not None and found.error:
        return " ".join(found.error.message.split())[:500]
    return f"it ended as {found.status.value.lower() if found else 'unknown'}"


def _spans(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The days cut into runs of at most 31."""
    while first <= last:
        end = min(last, first + timedelta(days=MOST_DAYS - 1))
        yield first, end
        first = end + timedelta(days=1)
