"""A table of models in a real database, and a proxy that follows it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.access.models import add_model
from ingest.access.snapshot import ModelRow
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings

SECRET = "sk-ours-0123456789abcdef"


@pytest.fixture
def followed(tmp_path: Path, warehouse: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose proxy follows the fresh warehouse and lets every program of this machine in."""
    monkeypatch.setenv("OUR_KEY", SECRET)
    return replace(Settings(home=tmp_path / "home"), database_url=warehouse.libpq(), auth="off")


@pytest.fixture
def table(warehouse: DatabaseUrl) -> Iterator[psycopg.Connection[TupleRow]]:
    """Somebody at the table of models."""
    with connect(warehouse, autocommit=True, application_name="tests (models)") as connection:
        yield connection


@pytest.fixture
def add(table: psycopg.Connection[TupleRow]) -> Callable[..., ModelRow]:
    """Add a target with a key of ours to the alias `fast`: `add(url, model, **others)`."""

    def add_one(url: str, model: str, *, alias: str = "fast", **given: Any) -> ModelRow:
        fields = {"provider": "openai", "secret_ref": "env:OUR_KEY"} | given
        return add_model(table, alias, base_url=url, model=model, **fields)

    return add_one
