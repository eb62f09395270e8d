"""`cost/charges`: every provider attempt priced at its own time."""

from typing import Any

import dagster as dg
from psycopg.sql import Identifier

from orchestration.assets.raw import DAILY_FRESHNESS
from orchestration.partitions import DAILY, POLICY, POOL, asset_window
from orchestration.preview import count_rows, newest_rows
from orchestration.resources import Warehouse

RELATION = Identifier("cost", "charges")


class ChargesConfig(dg.Config):
    """`reprice`: price the window again; rows that differ go to `cost.charge_history` first."""

    reprice: bool = False


@dg.asset(
    key=["cost", "charges"],
    deps=[["raw", "llm_calls"]],
    partitions_def=DAILY,
    backfill_policy=POLICY,
    pool=POOL,
    group_name="cost",
    kinds={"postgres", "polars"},
    freshness_policy=DAILY_FRESHNESS,
)
def charges(
    context: dg.AssetExecutionContext, config: ChargesConfig, warehouse: Warehouse
) -> dg.MaterializeResult[Any]:
    """One row per provider attempt, its current charge; adds what is missing or has become priceable."""
    # polars, half a second, is not for the code location's load.
    from orchestration.cost.charging import charge_window

    windows = [asset_window(context)]
    with warehouse.connect() as connection:
        result = charge_window(connection, windows, reprice=config.reprice)
        n_rows = count_rows(connection, RELATION, column="started_at", windows=windows)
        preview = newest_rows(connection, RELATION, column="started_at", windows=windows)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": n_rows,
            "n_priced": result.n_priced,
            "n_unpriced": result.n_unpriced,
            "n_restated": result.n_restated,
            "unpriced_by_reason": dict(result.by_reason),
            "preview": dg.MetadataValue.md(preview),
        }
    )
