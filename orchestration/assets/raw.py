"""`raw/llm_calls`: landing writes the rows as they come; the asset closes days."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from orchestration.closing import DayClose, close_day
from orchestration.partitions import DAILY, POLICY, POOL, asset_window
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse
from orchestration.windows import days_of

# 26 h, not 24: a nightly run that is a little late must not page anyone.
DAILY_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=26), warn_window=timedelta(hours=3)
)


@dg.asset(
    key=["raw", "llm_calls"],
    partitions_def=DAILY,
    backfill_policy=POLICY,
    pool=POOL,
    group_name="raw",
    kinds={"postgres"},
    freshness_policy=DAILY_FRESHNESS,
)
def llm_calls(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """One row per call, landed by loader and importer; counts each day and closes it once it is complete."""
    with warehouse.connect() as connection:
        closes = [close_day(connection, day) for day in days_of([asset_window(context)])]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(close.n_calls for close in closes),
            "days_closed": sum(close.state == "closed" for close in closes),
            "preview": dg.MetadataValue.md(_table(closes)),
        }
    )


def _table(closes: Sequence[DayClose]) -> str:
    rows = [(close.day, close.n_calls, close.state, close.low_watermark) for close in closes]
    return markdown_table(("day", "calls", "state", "low watermark"), rows)
