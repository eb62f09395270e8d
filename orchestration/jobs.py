"""The jobs: a full day, its close with the drift report, the light refresh, and the tidying up."""

from collections.abc import Sequence

import dagster as dg

from orchestration.partitions import POOL
from orchestration.resources import Warehouse
from orchestration.tidy import KEEP_DAYS, tidy_files, tidy_runs
from orchestration.windows import Window

# The run queue starts the highest first: what is fresh before what is whole before what is old.
LIGHT_PRIORITY = {"dagster/priority": "10"}
DAY_PRIORITY = {"dagster/priority": "5"}

DRIFT = dg.AssetSelection.assets(["reports", "drift"])
WEEKLY_REPORT = dg.AssetSelection.assets(["reports", "weekly"])
# Hours long, in a pool of its own: a day of the warehouse must not wait for a judge.
JUDGEMENTS = dg.AssetSelection.assets(["evaluation", "judgements"])
# What a judge says now, not of a day: it has a job and a clock of its own.
GOLDEN = dg.AssetSelection.assets(["evaluation", "golden_scores"])
BATCHES = dg.AssetSelection.assets(["evaluation", "judge_batches"])
# Somebody asks for it, with a budget.
COUNTERFACTUAL = dg.AssetSelection.assets(["analysis", "counterfactual"])
ASKING = JUDGEMENTS | GOLDEN | BATCHES | COUNTERFACTUAL

day_job = dg.define_asset_job(
    "day",
    selection=dg.AssetSelection.all() - DRIFT - WEEKLY_REPORT - ASKING,
    tags=DAY_PRIORITY,
    description="Count, check, score, price and model whole days.",
)

close_day_job = dg.define_asset_job(
    "close_day",
    selection=dg.AssetSelection.all() - WEEKLY_REPORT - ASKING,
    tags=DAY_PRIORITY,
    description="The full day and its drift report.",
)

judging_job = dg.define_asset_job(
    "judging",
    selection=JUDGEMENTS,
    tags=DAY_PRIORITY,
    description="Ask the configured judges about the calls that their policies select.",
)


golden_job = dg.define_asset_job(
    "golden",
    selection=GOLDEN,
    tags=DAY_PRIORITY,
    description="Ask the judges about the golden sets anew.",
)


counterfactual_job = dg.define_asset_job(
    "counterfactual",
    selection=COUNTERFACTUAL,
    tags=DAY_PRIORITY,
    description="Replay a sample of recorded prompts through other models, within a budget.",
)


@dg.op(pool=POOL)
def refresh_dirty_hours(context: dg.OpExecutionContext, warehouse: Warehouse) -> None:
    """Score, price and model exactly the hours that somebody wrote to; no views, no Great Expectations."""
    from orchestration.dbt import run_dbt
    from orchestration.refresh import light_refresh
    from orchestration.rules.written_rules import rules_folder, rules_in_force

    settings = warehouse.settings()
    with warehouse.url() as url, warehouse.connect() as connection:

        def model(windows: Sequence[Window]) -> None:
            context.log.info("%s", run_dbt(settings, url, windows))

        in_force = rules_in_force(connection, folder=rules_folder(settings))
        result = light_refresh(connection, run_dbt=model, rules=in_force.rules, start=settings.start)
    for problem in in_force.problems:
        context.log.warning("%s", problem)
    context.log.info("%s", result)
    if result.held:
        hours = ", ".join(hour.isoformat() for hour in result.held)
        context.log.error("dbt fails on these hours, which wait (see `lqo status`): %s", hours)
    context.add_output_metadata({"result": str(result)})


@dg.job(tags=LIGHT_PRIORITY)
def light_refresh() -> None:
    """Dirty hours only; the sensor asks for it within half a minute of a write."""
    refresh_dirty_hours()


@dg.op
def tidy_traces(context: dg.OpExecutionContext, warehouse: Warehouse) -> None:
    """Delete runs with their events and logs, and dbt targets, older than 14 days."""
    settings = warehouse.settings()
    n_runs = tidy_runs(context.instance, compute_logs=settings.dagster / "compute_logs")
    n_folders = tidy_files(settings.dbt_target)
    context.add_output_metadata({"runs": n_runs, "dbt_targets": n_folders, "kept_days": KEEP_DAYS})


@dg.job
def tidy() -> None:
    """Our own traces go after 14 days."""
    tidy_traces()
