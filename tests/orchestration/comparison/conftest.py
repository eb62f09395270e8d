"""`lqo eval` with a fresh warehouse."""

from pathlib import Path

import pytest

from ingest.database.url import DatabaseUrl
from tests.orchestration.comparison.playing import Lqo


@pytest.fixture
def lqo(tmp_path: Path, warehouse: DatabaseUrl) -> Lqo:
    return Lqo(tmp_path / "home", warehouse)
