"""A home with a real warehouse and a real dagster-postgres instance."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.instance import open_instance, prepare_instance
from tests.conftest import fresh_database
from tests.warm.python import warm_python


def pytest_configure(config: pytest.Config) -> None:
    # Backfill policies are beta in Dagster; the code location silences this where it is loaded first,
    # but pytest starts every test with fresh filters.
    config.addinivalue_line("filterwarnings", "ignore::dagster.BetaWarning")
    # What dagster and dagster-dbt use of dagster themselves.
    config.addinivalue_line("filterwarnings", "ignore:AssetExecutionContext.op is deprecated")
    config.addinivalue_line("filterwarnings", "ignore:Function `AssetSelection.sources` is deprecated")


@pytest.fixture(autouse=True)
def warm_dbt(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """dbt, run by this process, is not imported anew (2.3 s of CPU); its children are as they are."""
    if "parsed_project" in request.fixturenames:
        monkeypatch.setattr("orchestration.dbt.sys", SimpleNamespace(executable=warm_python("dbt")))


@dataclass(frozen=True, slots=True)
class Stack:
    """A home, its warehouse, its Dagster database and environment."""

    settings: Settings
    url: DatabaseUrl
    dagster_url: DatabaseUrl
    environment: dict[str, str]


@pytest.fixture
def modelled_warehouse(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[DatabaseUrl]:
    """A fresh database with views and empty marts, dropped afterwards."""
    yield from fresh_database(maintenance_url, owner_url, template=modelled_template)


@pytest.fixture
def stack(
    modelled_warehouse: DatabaseUrl,
    empty_database: DatabaseUrl,
    parsed_project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Stack:
    """A prepared home whose environment is this process's."""
    settings = Settings(home=tmp_path / "home", database_url=modelled_warehouse.libpq())
    shutil.copytree(parsed_project, settings.dbt_target)
    # Whatever prepare_instance sets goes away with the test.
    for name in ("DAGSTER_HOME", "LQO_DAGSTER_URL", "LQO_START", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")
    monkeypatch.delenv("LQO_START")
    monkeypatch.setenv("LQO_HOME", str(settings.home))
    monkeypatch.setenv("DATABASE_URL", modelled_warehouse.libpq())
    environment = prepare_instance(settings, empty_database)
    return Stack(settings, modelled_warehouse, empty_database, environment)


@pytest.fixture
def instance(stack: Stack) -> Iterator[dg.DagsterInstance]:
    """The home's instance on dagster-postgres."""
    with open_instance(stack.settings) as opened:
        yield opened
