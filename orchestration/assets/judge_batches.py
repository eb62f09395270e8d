"""`evaluation/judge_batches`: the same judgements at half the price, asked through a provider's Batch API."""

from typing import Any

import dagster as dg

from orchestration.assets.judgements import BACKFILL_TAG
from orchestration.partitions import BATCH_POOL, DAILY, POLICY, asset_window
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse


class JudgeBatchesConfig(dg.Config):
    """`again`: ask again about calls of the window whose batch somebody cancelled."""

    again: bool = False


@dg.asset(
    key=["evaluation", "judge_batches"],
    deps=[["raw", "llm_calls"], ["evaluation", "rule_scores"]],
    partitions_def=DAILY,
    backfill_policy=POLICY,
    pool=BATCH_POOL,
    group_name="evaluation",
    kinds={"postgres", "openai"},
)
def judge_batches(
    context: dg.AssetExecutionContext, config: JudgeBatchesConfig, warehouse: Warehouse
) -> dg.MaterializeResult[Any]:
    """One request a content and judge version; sends what nobody has asked. The sensor collects."""
    # Rubrics, prices and the client of the endpoints are not for the code location's load.
    from orchestration.judging.batches_window import ask_again
    from orchestration.judging.judges import list_judges
    from orchestration.judging.judging import Options, judge_window

    window = asset_window(context)
    options = Options(
        backfill_id=context.run.tags.get(BACKFILL_TAG), redis_url=warehouse.settings().redis_url
    )
    with warehouse.connect() as connection:
        judges = [j for j in list_judges(connection, only_enabled=True) if j.processing == "batch"]
        if config.again:
            ask_again(connection, judges, window)
        runs = judge_window(connection, window, judges=judges, options=options)
    rows = [
        (
            run.judge,
            run.batches.n_calls,
            run.batches.n_requests,
            len(run.batches.batches),
            run.written.n_calls,
            run.problem or "; ".join(run.batches.problems) or ("out of budget" * run.is_out_of_budget),
        )
        for run in runs
    ]
    metadata = {
        "n_judges": len(runs),
        "n_requests": sum(run.batches.n_requests for run in runs),
        "n_batches": sum(len(run.batches.batches) for run in runs),
        "preview": dg.MetadataValue.md(
            markdown_table(("judge", "calls", "requests", "batches", "needed no asking", "note"), rows)
        ),
    }
    if problems := [run for run in runs if run.problem]:
        raise dg.Failure(
            "; ".join(f"judge {run.judge}: {run.problem}" for run in problems), metadata=metadata
        )
    return dg.MaterializeResult(metadata=metadata)
