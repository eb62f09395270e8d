"""`reports/weekly`: the page that people read on Monday."""

from typing import Any

import dagster as dg

from orchestration.partitions import WEEKLY
from orchestration.resources import Warehouse

MARTS = (
    *("calls_hourly", "failing_hourly", "latency_daily_histogram", "quality_daily", "quality_by_prompt"),
    *("traffic_mix", "cost_daily", "evaluation_coverage", "drift_findings", "alert_history"),
)
# The running week has days to come, and the first one days before LQO_START.
DAYS_OF_WEEK = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)


class WeeklyConfig(dg.Config):
    """`send`: lay the report into the outbox, too. A backfill of a year must not send fifty mails."""

    send: bool = False


@dg.asset(
    key=["reports", "weekly"],
    deps=[dg.AssetDep(dg.AssetKey(["marts", name]), partition_mapping=DAYS_OF_WEEK) for name in MARTS],
    partitions_def=WEEKLY,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
    group_name="reports",
    kinds={"html"},
)
def weekly(
    context: dg.AssetExecutionContext, config: WeeklyConfig, warehouse: Warehouse
) -> dg.MaterializeResult[Any]:
    """One HTML file per ISO week, replaced by each run; sent once, where it is asked to be sent."""
    from orchestration.alerts.delivery.plan import current_plan
    from orchestration.weekly import make_report, queue_report
    from reports.weekly.headlines import headlines
    from reports.weekly.week import week_of

    week = week_of(context.partition_time_window.start.date())
    plan = current_plan()
    out = warehouse.settings().reports
    out.mkdir(parents=True, exist_ok=True)
    with warehouse.connect() as connection:
        figures, path = make_report(connection, week, out=out)
        queued = (
            queue_report(connection, figures, channels=plan.reports, mails=plan.mails) if config.send else []
        )
    told = "\n".join(f"- {one.text}" for one in headlines(figures))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": figures.traffic.n_calls,
            "report": dg.MetadataValue.path(path),
            "preview": dg.MetadataValue.md(told),
            "queued": dg.MetadataValue.text(", ".join(queued) or "nothing"),
        }
    )
