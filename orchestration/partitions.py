"""The one partitions object, the one backfill policy and the one pool of every warehouse asset."""

import warnings
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from ingest.settings import load_settings
from orchestration.windows import Window

# Dagster calls backfill policies beta in every log of every process; we know, and test them.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

# end_offset=1: a partition exists from its first second, so that today can be refreshed hourly.
DAILY = dg.DailyPartitionsDefinition(start_date=load_settings().start.isoformat(), end_offset=1)

# Whole ISO weeks, also the one that LQO_START lies in, with the running one at the end.
_FIRST_WEEK = load_settings().start - timedelta(days=load_settings().start.weekday())
WEEKLY = dg.WeeklyPartitionsDefinition(start_date=_FIRST_WEEK.isoformat(), day_offset=1, end_offset=1)

# Within one run the range of days is one window, as under single_run. It is not single_run itself, because
# a backfill of a year would then hold the pool for hours and today would wait: a run ends after 7 days.
POLICY = dg.BackfillPolicy.multi_run(max_partitions_per_run=7)

# Every run that writes the warehouse holds this pool (limit 1, granularity run): the locks in the database
# make two writers safe, the pool makes them queue.
POOL = "warehouse"

# Judging takes hours and must not hold the warehouse: its runs take turns in a pool of their own, and judges
# of one provider also by a lock in the database.
JUDGE_POOL = "judging"
# Sending and collecting take minutes, and do not wait for a judge that is asked for hours.
BATCH_POOL = "judge_batches"

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PARTITION_TAG = "dagster/partition"


def asset_window(context: dg.AssetExecutionContext) -> Window:
    """The run's days as one half-open UTC window; a range of partitions has no single key."""
    window = context.partition_time_window
    return Window(window.start.astimezone(UTC), window.end.astimezone(UTC))


def checked_window(context: dg.AssetCheckExecutionContext, *, now: datetime) -> Window:
    """The window of the run that a check is part of; today and yesterday where it runs by itself.

    Checks are unpartitioned, so the context's own partition properties do not answer inside every job.
    """
    tags = context.run.tags
    first = tags.get(RANGE_START_TAG) or tags.get(PARTITION_TAG)
    last = tags.get(RANGE_END_TAG) or tags.get(PARTITION_TAG)
    if first is None or last is None:
        return range_window(now.date() - timedelta(days=1), now.date())
    return range_window(date.fromisoformat(first), date.fromisoformat(last))


def range_window(first: date, last: date) -> Window:
    """The half-open window of the days from `first` to `last`, both included."""
    return Window(_midnight(first), _midnight(last) + timedelta(days=1))


def range_tags(first: date, last: date) -> dict[str, str]:
    """The run tags that make one run of the days from `first` to `last`, both included."""
    return {RANGE_START_TAG: first.isoformat(), RANGE_END_TAG: last.isoformat()}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
