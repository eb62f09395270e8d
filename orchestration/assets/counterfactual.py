"""`analysis/counterfactual`: recorded prompts through other models, to a cost–quality frontier."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.partitions import JUDGE_POOL
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse

if TYPE_CHECKING:
    from orchestration.counterfactual.request import Replay
    from orchestration.counterfactual.run import Forecast


class CounterfactualConfig(dg.Config):
    """What to replay: as the options of `lqo whatif replay`. Days are UTC, both inside; `max_usd` is an
    amount in USD as text, of all requests together; a `dry_run` asks and writes nothing."""

    first_day: str
    last_day: str
    models: list[str]
    max_usd: str
    dry_run: bool = False
    sample: int = 200
    seed: int = 1
    strata: list[str] = ["model"]
    project: str | None = None
    source_model: str | None = None
    base_url: str | None = None
    secret: str | None = None
    judge: str | None = None
    judge_base_url: str | None = None
    judge_secret: str | None = None
    judge_parameters: list[str] = []
    rubrics: list[str] = []
    allows_same_model: bool = False
    max_tokens: int = 1_024
    max_tokens_field: str = "max_tokens"
    temperature: float | None = None
    concurrency: int = 8


@dg.asset(
    key=["analysis", "counterfactual"],
    deps=[["raw", "llm_calls"], ["evaluation", "judgements"]],
    pool=JUDGE_POOL,
    group_name="analysis",
    kinds={"postgres", "openai"},
)
def counterfactual(
    context: dg.AssetExecutionContext, config: CounterfactualConfig, warehouse: Warehouse
) -> dg.MaterializeResult[Any]:
    """One row per replay, rubric and model: quality and cost of a sample of recorded prompts, with intervals.

    Unpartitioned: models are asked now, about days that are over. The same configuration continues a run
    that was killed, or that a larger budget lets go on; nothing is paid for twice.
    """
    # Endpoints, prices and statistics are not for the code location's load.
    from orchestration.counterfactual.errors import ReplayError
    from orchestration.counterfactual.history import find_frontiers
    from orchestration.counterfactual.run import forecast, replay_sample
    from orchestration.counterfactual.telling import metadata_of
    from reports.frontier.page import write_frontier_page

    settings = warehouse.settings()
    try:
        asked = _asked(config)
        with warehouse.connect() as connection:
            if config.dry_run:
                return dg.MaterializeResult(
                    metadata=_forecast(forecast(connection, asked, settings=settings))
                )
            done = replay_sample(connection, asked, settings=settings, note=context.log.info)
            found = find_frontiers(connection, str(done.replay_id))
    except ReplayError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    page = write_frontier_page(found, out_dir=settings.reports)
    return dg.MaterializeResult(metadata=metadata_of(done, found, page=page))


def _asked(config: CounterfactualConfig) -> "Replay":
    from orchestration.comparison.request import Where
    from orchestration.counterfactual.request import Replay, read_day, read_usd

    return Replay(
        first_day=read_day(config.first_day),
        last_day=read_day(config.last_day),
        models=tuple(config.models),
        max_usd=read_usd(config.max_usd),
        sample=config.sample,
        seed=config.seed,
        strata=tuple(config.strata),
        project=config.project,
        source_model=config.source_model,
        models_at=Where(config.base_url, config.secret),
        judge=config.judge,
        judge_at=Where(config.judge_base_url, config.judge_secret),
        judge_parameters=tuple(config.judge_parameters),
        rubrics=tuple(config.rubrics),
        allows_same_model=config.allows_same_model,
        max_tokens=config.max_tokens,
        max_tokens_field=config.max_tokens_field,
        temperature=config.temperature,
        concurrency=config.concurrency,
    )


def _forecast(found: "Forecast") -> dict[str, Any]:
    rows = [
        (line.name, line.purpose, line.n_prompts, line.n_known, f"{line.usd:.4f}", f"{line.most_usd:.4f}")
        for line in found.lines
    ]
    head = ("model", "what", "prompts", "known", "about USD", "at most USD")
    return {
        "dry_run": True,
        "n_prompts": len(found.sampled.prompts),
        "about_usd": float(found.usd),
        "max_usd": float(found.max_usd),
        "preview": dg.MetadataValue.md(markdown_table(head, rows)),
    }
