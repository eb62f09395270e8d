"""Whether two names mean the same model."""

import re
from collections.abc import Iterable
from functools import lru_cache

_VENDOR = re.compile(
    r"^(?:[a-z]{2,6}\.)?(?:anthropic|meta|mistral|amazon|cohere|deepseek|ai21|openai|qwen)\."
)
_SNAPSHOT = re.compile(
    r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3}|latest|preview)|-v\d+(?::\d+)?|:(?:latest|free|batch))$"
)


def is_same_model(judge: str, judged: Iterable[str]) -> bool:
    """Whether the judge is one of the judged names, whatever host, snapshot or alias they name.

    `openai/gpt-4o`, `gpt-4o-2024-08-06` and `gpt-4o` are one model; `gpt-4o-mini` is another.
    """
    own = _family(judge)
    return any(_family(name) == own for name in judged if name)


@lru_cache(maxsize=1_024)
def _family(name: str) -> str:
    bare = _VENDOR.sub("", name.strip().lower().rpartition("/")[2])
    while (shorter := _SNAPSHOT.sub("", bare)) != bare:
        bare = shorter
    return bare
