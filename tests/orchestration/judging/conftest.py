"""A simulated provider of batches, with its key in the environment."""

from collections.abc import Iterator

import pytest

from tests.batch_endpoint import running_batches
from tests.batch_provider import KEY, BatchProvider
from tests.orchestration.judging.batching import KEY_VARIABLE


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchProvider]:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with running_batches() as running:
        yield running
