"""Descriptions of the marts from dbt's manifest to Metabase, by dbt-metabase."""

import logging
from typing import Any

from ingest.settings import Settings
from orchestration.bi.role import SCHEMA
from orchestration.dbt import ensure_manifest
from reports.metabase.client import MetabaseError

SYNC_SECONDS = 60


def push_descriptions(settings: Settings, *, server: str, api_key: str, database: str) -> None:
    """Describe every table and column of schema marts; what is right already is left alone.

    Raises MetabaseError with one line where Metabase is away, refuses, or does not know all marts yet.
    """
    # Only here: it brings requests along, and nothing else of ours needs it.
    import requests
    from dbtmetabase import DbtMetabase, Filter
    from dbtmetabase.errors import MetabaseStateError

    ensure_manifest(settings)
    logging.getLogger("dbtmetabase").setLevel(logging.ERROR)
    schema: Any = Filter(include=[SCHEMA])
    try:
        DbtMetabase(
            manifest_path=settings.dbt_target / "manifest.json",
            metabase_url=server,
            metabase_api_key=api_key,
        ).export_models(
            metabase_database=database, schema_filter=schema, skip_sources=True, sync_timeout=SYNC_SECONDS
        )
    except (MetabaseStateError, requests.RequestException) as error:
        raise MetabaseError(f"{server}: {' '.join(str(error).split())}") from error
