"""`evaluation/prompt_templates`: which template each call's prompt was made from."""

from typing import Any

import dagster as dg
from psycopg.sql import Identifier

from orchestration.assets.raw import DAILY_FRESHNESS
from orchestration.partitions import DAILY, POLICY, POOL, asset_window
from orchestration.preview import count_rows, newest_rows
from orchestration.resources import Warehouse

ASSIGNMENTS = Identifier("evaluation", "prompt_assignments")
TEMPLATES = Identifier("evaluation", "prompt_templates")


@dg.asset(
    key=["evaluation", "prompt_templates"],
    deps=[["raw", "llm_calls"]],
    partitions_def=DAILY,
    backfill_policy=POLICY,
    pool=POOL,
    group_name="evaluation",
    kinds={"postgres", "python"},
    freshness_policy=DAILY_FRESHNESS,
)
def prompt_templates(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """One row per call with its template; adds what the window's calls lack, and no template ever changes.

    Of the full day only: the light refresh leaves it alone, since a new form is compared with known ones.
    """
    # datasketch brings numpy and scipy, a second, which is not for the code location's load.
    from orchestration.prompts.prompt_templates import mine_window

    windows = [asset_window(context)]
    with warehouse.connect() as connection:
        result = mine_window(connection, windows)
        n_rows = count_rows(connection, ASSIGNMENTS, column="started_at", windows=windows)
        preview = newest_rows(connection, TEMPLATES, column="first_seen", windows=windows)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": n_rows,
            "n_assigned": result.n_calls,
            "n_named_by_caller": result.n_named,
            "n_without_text": result.n_without_text,
            "n_new_forms": result.n_forms,
            "n_new_templates": result.n_templates,
            "preview": dg.MetadataValue.md(preview),
        }
    )
