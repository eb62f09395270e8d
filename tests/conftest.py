"""Fixtures that every room may use."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real prompts, answers, labels and traces; tests that need it skip without it."""
    folder = Path(os.environ.get("LQO_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the folder of real data is not here (set LQO_TEST_DATA)")
    return folder
