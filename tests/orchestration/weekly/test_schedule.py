"""On Monday at seven the week that ended is asked for, sent and all; nobody else sends."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from orchestration.partitions import WEEKLY
from orchestration.report_schedules import weekly_report
from orchestration.selection import UnknownAssetError, resolve_assets


@pytest.mark.parametrize(
    ("tick", "week"),
    [
        (datetime(2026, 11, 16, 7, tzinfo=UTC), "2026-11-09"),
        (datetime(2027, 1, 4, 7, tzinfo=UTC), "2026-12-28"),
        # The Mondays after Europe and North America have changed their clocks.
        (datetime(2026, 3, 30, 7, tzinfo=UTC), "2026-03-23"),
        (datetime(2026, 11, 2, 7, tzinfo=UTC), "2026-10-26"),
    ],
)
def test_monday_asks_for_the_week_that_ended_and_to_send_it(tick: datetime, week: str) -> None:
    with dg.build_schedule_context(scheduled_execution_time=tick) as context:
        request = weekly_report(context)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == week
    assert request.run_config == {"ops": {"reports__weekly": {"config": {"send": True}}}}
    assert week in WEEKLY.get_partition_keys(current_time=tick)
    window = WEEKLY.time_window_for_partition_key(week)
    assert window.end - window.start == timedelta(days=7)


def test_no_clock_that_changes_moves_it() -> None:
    assert (weekly_report.cron_schedule, weekly_report.execution_timezone) == ("0 7 * * 1", "UTC")


def test_the_running_week_is_a_partition() -> None:
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday())
    assert WEEKLY.get_last_partition_key() == monday.isoformat()


def test_a_backfill_of_days_names_no_week() -> None:
    daily = [dg.AssetSpec(dg.AssetKey(["reports", "drift"]), group_name="reports")]
    assert resolve_assets(["reports"], specs=daily) == [dg.AssetKey(["reports", "drift"])]
    with pytest.raises(UnknownAssetError):
        resolve_assets(["reports/weekly"], specs=daily)
