"""A warm dbt per worker and, per module, a warehouse that is deployed and filled once."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.conftest import create_database, drop_database
from tests.dbt_project.analytics_seed import seed_grades, seed_prompts
from tests.dbt_project.running_dbt import Dbt, days, running_dbt
from tests.dbt_project.seed import DAYS, FIRST_DAY, seed_calls, seed_rule_sets


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory, parsed_project: Path) -> Iterator[Dbt]:
    """One warm dbt process for all tests of a worker."""
    with running_dbt(tmp_path_factory.mktemp("dbt"), parsed=parsed_project) as running:
        yield running


@pytest.fixture(scope="module")
def seeded(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[DatabaseUrl]:
    """A deployed warehouse with generated calls on `DAYS` and empty marts, shared by a module's tests."""
    yield from _deployed(maintenance_url, owner_url, template=modelled_template)


@pytest.fixture(scope="session")
def analysed(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str, dbt: Dbt
) -> Iterator[DatabaseUrl]:
    """Generated calls with prompts and grades, all days built with their data tests, which pass.

    One for all modules of the group "analysed"; a test leaves it as it found it.
    """
    for url in _deployed(maintenance_url, owner_url, template=modelled_template):
        with connect(url) as connection:
            seed_prompts(connection)
            seed_grades(connection)
        outcome = dbt.build(url, windows=days(FIRST_DAY, count=3), selector="day")
        assert set(outcome.nodes.values()) == {"success", "pass"}
        yield url


def _deployed(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, *, template: str
) -> Iterator[DatabaseUrl]:
    name = f"lqo_marts_{uuid4().hex}"
    url = owner_url.with_database(name)
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=template)
    try:
        with connect(url) as connection:
            seed_rule_sets(connection)
            for day, calls in DAYS.items():
                seed_calls(connection, day=day, calls=calls)
        yield url
    finally:
        with connect(maintenance_url, autocommit=True) as maintenance:
            drop_database(maintenance, name)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder for what a single dbt command writes."""
    return tmp_path / "dbt"
