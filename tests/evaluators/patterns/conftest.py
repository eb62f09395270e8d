"""Real prompts with their true templates."""

from pathlib import Path

import pytest

from tests.evaluators.patterns.true_templates import Prompt, read_prompts


@pytest.fixture(scope="session")
def true_prompts(shared_data: Path) -> list[Prompt]:
    """The texts of presidio-research with the template that each was filled from."""
    return read_prompts(shared_data)
