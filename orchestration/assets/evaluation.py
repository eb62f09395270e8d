"""`evaluation/rule_scores`: the rule checks over the landed calls."""

from typing import Any

import dagster as dg
from psycopg.sql import Identifier

from orchestration.assets.raw import DAILY_FRESHNESS
from orchestration.partitions import DAILY, POLICY, POOL, asset_window
from orchestration.preview import newest_rows
from orchestration.resources import Warehouse

RELATION = Identifier("evaluation", "rule_results")


@dg.asset(
    key=["evaluation", "rule_scores"],
    deps=[["raw", "llm_calls"]],
    partitions_def=DAILY,
    backfill_policy=POLICY,
    pool=POOL,
    group_name="evaluation",
    kinds={"postgres", "polars"},
    freshness_policy=DAILY_FRESHNESS,
)
def rule_scores(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """One row per call and rule-set version; adds what the window's calls lack and replaces nothing."""
    # polars, half a second, is not for the code location's load.
    from orchestration.rules.scoring import score_window
    from orchestration.rules.written_rules import rules_folder, rules_in_force

    windows = [asset_window(context)]
    with warehouse.connect() as connection:
        in_force = rules_in_force(connection, folder=rules_folder(warehouse.settings()))
        for problem in in_force.problems:
            context.log.warning("%s", problem)
        result = score_window(connection, windows, rules=in_force.rules)
        preview = newest_rows(connection, RELATION, column="started_at", windows=windows)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": result.n_rows,
            "n_scored": result.n_scored,
            "n_carried": result.n_carried,
            "rule_set_version": result.rule_set_version,
            "n_written_rules": len(in_force.written),
            "n_unreadable_rules": len(in_force.problems),
            "preview": dg.MetadataValue.md(preview),
        }
    )
