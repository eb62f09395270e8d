"""A warehouse with yesterday's calls, and `lqo whatif`."""

from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from tests.orchestration.comparison.playing import Lqo
from tests.orchestration.counterfactual.playing import set_prices


@pytest.fixture
def whatif(tmp_path: Path, warehouse: DatabaseUrl, connection: psycopg.Connection[TupleRow]) -> Lqo:
    """The command over a warehouse that knows the models' prices."""
    set_prices(connection)
    return Lqo(tmp_path / "home", warehouse, verb="whatif")
