"""All dbt models as one multi-asset over one window."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
from psycopg.sql import Identifier

from orchestration.checks.open_days import open_windows
from orchestration.dagster_dbt_light import dbt_assets
from orchestration.dbt import dbt_environment, ensure_views, window_vars
from orchestration.dirty import clear, result_marks
from orchestration.partitions import DAILY, POLICY, POOL, asset_window
from orchestration.preview import count_rows, newest_rows
from orchestration.resources import QuietDbt, Warehouse
from orchestration.translator import WarehouseTranslator, is_view
from orchestration.windows import Window

DbtEvent = dg.Output[None] | dg.AssetCheckResult | dg.AssetObservation
Model = Mapping[str, Any]


def build_dbt_models(manifest_file: Path) -> dg.AssetsDefinition:
    """The multi-asset of every model in a manifest, on the daily partition."""
    manifest: Mapping[str, Any] = json.loads(manifest_file.read_bytes())
    translator = WarehouseTranslator()
    models = _models(manifest, translator)

    @dbt_assets(
        manifest=manifest,
        name="dbt_models",
        partitions_def=DAILY,
        backfill_policy=POLICY,
        pool=POOL,
        dagster_dbt_translator=translator,
    )
    def dbt_models(
        context: dg.AssetExecutionContext, warehouse: Warehouse, dbt: QuietDbt
    ) -> Iterator[DbtEvent]:
        """Every mart: what the window's days hold is replaced, in one transaction a model."""
        selected = {key: models[key] for key in context.selected_asset_keys}
        with warehouse.url() as url, warehouse.connect() as connection:
            ensure_views(warehouse.settings(), url)
            windows = open_windows(connection, asset_window(context))
            seen = result_marks(connection, windows) if _is_every_mart(selected, models) else []
            with _environment(
                {**dbt_environment(url), "DBT_TARGET_PATH": str(warehouse.settings().dbt_target)}
            ):
                invocation = dbt.cli(_command(windows), context=context)
            events = (
                _with_rows(event, connection, models=models, windows=windows) for event in invocation.stream()
            )
            yield from _with_views(events, _views(selected, dbt_models.specs))
            clear(connection, seen)

    return dbt_models


def _command(windows: Sequence[Window]) -> list[str]:
    """Unit tests are for CI; views are built at deploy, since a rebuild drops what hangs on them."""
    return [
        "build",
        "--vars",
        window_vars(windows),
        "--exclude-resource-type",
        "unit_test",
        "--exclude",
        "config.materialized:view",
    ]


def _models(manifest: Mapping[str, Any], translator: WarehouseTranslator) -> dict[dg.AssetKey, Model]:
    nodes: Mapping[str, Model] = manifest["nodes"]
    return {translator.get_asset_key(n): n for n in nodes.values() if n["resource_type"] == "model"}


def _is_every_mart(selected: Mapping[dg.AssetKey, Model], models: Mapping[dg.AssetKey, Model]) -> bool:
    tables = {key for key, model in models.items() if model["config"]["materialized"] == "incremental"}
    return tables <= selected.keys()


def _views(selected: Mapping[dg.AssetKey, Model], specs: Iterable[dg.AssetSpec]) -> dict[str, set[str]]:
    """The selected views by output name, each with the selected outputs it stands on."""
    return {
        spec.key.to_python_identifier(): {
            dep.asset_key.to_python_identifier() for dep in spec.deps if dep.asset_key in selected
        }
        for spec in specs
        if spec.key in selected and is_view(selected[spec.key])
    }


def _with_views(events: Iterable[DbtEvent], views: Mapping[str, set[str]]) -> Iterator[DbtEvent]:
    """The events, and each view's own once what it stands on has come: Dagster insists on the order."""
    done: set[str] = set()
    waiting = dict(views)

    def ready() -> Iterator[DbtEvent]:
        while names := [name for name, needed in waiting.items() if needed <= done]:
            for name in names:
                del waiting[name]
                done.add(name)
                note = "a view: built at deploy, it shows what its sources hold"
                yield dg.Output(value=None, output_name=name, metadata={"note": note})

    yield from ready()
    for event in events:
        yield event
        if isinstance(event, dg.Output):
            done.add(event.output_name)
            yield from ready()


def _with_rows(
    event: Any,
    connection: psycopg.Connection,
    *,
    models: Mapping[dg.AssetKey, Model],
    windows: Sequence[Window],
) -> DbtEvent:
    """The event with the window's row count and newest rows, where it is a model's output."""
    if not isinstance(event, dg.Output):
        return event
    model = next(m for k, m in models.items() if k.to_python_identifier() == event.output_name)
    column = model["config"].get("meta", {}).get("window_column")
    if not column:
        return event
    relation = Identifier(model["schema"], model["alias"])
    rows = count_rows(connection, relation, column=column, windows=windows)
    preview = newest_rows(connection, relation, column=column, windows=windows)
    added = {"dagster/row_count": rows, "preview": dg.MetadataValue.md(preview)}
    return event.with_metadata({**event.metadata, **added})


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the command that is started inside the block, and only for it."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
