"""The code location: everything Dagster knows of the warehouse.

Loading it must stay under 5 s, and every sensor tick and run pays it: Great Expectations, Evidently and
pandas are imported inside the steps that need them. One function and nothing else stands here, because
Dagster drops module-level definitions beside a `@dg.definitions` function without a word.
"""

import os

# Before dagster and dbt are imported, which read them: nothing calls home.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")

import dagster as dg

from ingest.settings import load_settings
from orchestration import (
    calibration_schedules,
    jobs,
    judging_batches,
    judging_schedules,
    report_schedules,
    run_sensors,
    schedules,
    sensors,
)
from orchestration.assets.bridges import bridges
from orchestration.assets.calibrations import calibrations
from orchestration.assets.cost import charges
from orchestration.assets.counterfactual import counterfactual
from orchestration.assets.evaluation import rule_scores
from orchestration.assets.golden import golden_scores
from orchestration.assets.judge_batches import judge_batches
from orchestration.assets.judgements import judgements
from orchestration.assets.marts import build_dbt_models
from orchestration.assets.prompts import prompt_templates
from orchestration.assets.raw import llm_calls
from orchestration.assets.reports import drift
from orchestration.assets.weekly import weekly
from orchestration.checks.landed import landed_days
from orchestration.checks.ledger import ledger
from orchestration.checks.money import charged_days
from orchestration.dbt import PROJECT_DIR, dbt_launcher, ensure_manifest
from orchestration.resources import QuietDbt, Warehouse


@dg.definitions
def defs() -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors, with in-process steps.

    The steps are small: starting a process for each costs more than the step (9–14 s against half of it).
    """
    settings = load_settings()
    manifest = ensure_manifest(settings, only_if_missing=True)
    return dg.Definitions(
        assets=[
            *(llm_calls, rule_scores, judgements, judge_batches, bridges),
            *(prompt_templates, charges, build_dbt_models(manifest), drift, weekly),
            *(calibrations, golden_scores, counterfactual),
        ],
        asset_checks=[landed_days, ledger, charged_days],
        jobs=[
            *(jobs.day_job, jobs.close_day_job, jobs.light_refresh, jobs.tidy, jobs.golden_job),
            jobs.counterfactual_job,
            *(jobs.judging_job, judging_batches.batching_job, judging_batches.tend_judge_batches),
            report_schedules.weekly_report_job,
        ],
        schedules=[
            schedules.hourly_today,
            schedules.daily_close,
            schedules.daily_tidy,
            judging_schedules.judging_today,
            judging_schedules.judging_closed,
            calibration_schedules.golden_daily,
            judging_batches.batching_closed,
            report_schedules.weekly_report,
        ],
        sensors=[
            *(sensors.dirty_hours, sensors.alerts, judging_batches.judge_batches_due),
            *(run_sensors.run_failures, run_sensors.run_successes),
        ],
        resources={
            "warehouse": Warehouse(),
            "dbt": QuietDbt(
                project_dir=str(PROJECT_DIR),
                profiles_dir=str(PROJECT_DIR),
                dbt_executable=str(dbt_launcher(settings)),
            ),
        },
        executor=dg.in_process_executor,
    )
