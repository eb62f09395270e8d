"""`evaluation/judgements`: what judges say of the calls that their policies select."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.assets.raw import DAILY_FRESHNESS
from orchestration.partitions import DAILY, JUDGE_POOL, POLICY, asset_window
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse

if TYPE_CHECKING:
    from orchestration.judging.judging import JudgeRun

KEY = dg.AssetKey(["evaluation", "judgements"])
BACKFILL_TAG = "dagster/backfill"
# An event in the log every ten seconds would bury the run's own.
OBSERVE_SECONDS = 60.0


@dg.asset(
    key=KEY,
    deps=[["raw", "llm_calls"], ["evaluation", "rule_scores"]],
    partitions_def=DAILY,
    backfill_policy=POLICY,
    pool=JUDGE_POOL,
    group_name="evaluation",
    kinds={"postgres", "openai"},
    freshness_policy=DAILY_FRESHNESS,
)
def judgements(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """One row per selected call and judge version; asks only what nobody has paid for. No judge: nothing."""
    # Rubrics, prices and the client of the endpoints are not for the code location's load.
    from orchestration.judging.judging import Options, judge_window
    from orchestration.versions.seats import seat_judges

    observe = _Observer(context)
    backfill_id = context.run.tags.get(BACKFILL_TAG)
    options = Options(backfill_id=backfill_id, redis_url=warehouse.settings().redis_url)
    with warehouse.connect() as connection:
        seat_judges(connection)
        runs = judge_window(connection, asset_window(context), options=options, on_progress=observe)
    metadata = _metadata(runs)
    if problems := [run for run in runs if run.problem]:
        raise dg.Failure(
            "; ".join(f"judge {run.judge}: {run.problem}" for run in problems), metadata=metadata
        )
    return dg.MaterializeResult(metadata=metadata)


class _Observer:
    """Progress in the run's log, and now and then as an observation of the asset."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._last = time.monotonic()

    def __call__(self, run: "JudgeRun") -> None:
        self._context.log.info("%s", run)
        if time.monotonic() - self._last >= OBSERVE_SECONDS:
            self._last = time.monotonic()
            observation = dg.AssetObservation(asset_key=KEY, metadata=_metadata([run]))
            self._context.log_event(observation)


def _metadata(runs: "Sequence[JudgeRun]") -> dict[str, Any]:
    """Counts of all judges under the names that metrics have, and a table of each."""
    hits = sum(run.cache.redis_hits + run.cache.postgres_hits for run in runs)
    lookups = hits + sum(run.cache.misses for run in runs)
    rows = [
        (
            run.judge,
            run.n_selected + run.n_topped_up,
            run.written.outcomes.get("scored", 0),
            sum(n for outcome, n in run.written.outcomes.items() if outcome != "scored"),
            run.written.n_cached,
            run.written.n_paid,
            f"{run.written.cost_usd:.4f}",
            run.problem or ("out of budget" if run.is_out_of_budget else ""),
        )
        for run in runs
    ]
    head = ("judge", "selected now", "scored", "unscored", "cached", "paid", "USD", "note")
    ratio = {"llm_evaluator_cache_hit_ratio": hits / lookups} if lookups else {}
    return {
        "dagster/row_count": sum(run.written.n_calls for run in runs),
        "n_judges": len(runs),
        "n_pending_before": sum(run.n_pending for run in runs),
        "llm_evaluator_judgements_total": sum(run.written.n_calls for run in runs),
        "llm_evaluator_judge_calls_total": sum(run.written.n_paid for run in runs),
        "llm_evaluator_judge_cost_usd_total": float(sum(run.written.cost_usd for run in runs)),
        "llm_evaluator_judge_unpriced_total": sum(run.written.n_unpriced for run in runs),
        "llm_evaluator_cache_lookups_total": lookups,
        "llm_evaluator_cache_hits_total": hits,
        **ratio,
        "preview": dg.MetadataValue.md(markdown_table(head, rows)),
    }
