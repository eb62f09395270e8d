"""What a judge is told."""

from hashlib import sha256
from typing import Final

PROMPT_VERSION: Final = "1.0.0"

_SYSTEM: Final = ""


def template_hash() -> str:
    """SHA-256 (hex) over the words of the prompt that are not a rubric's."""
    return sha256(_SYSTEM.encode()).hexdigest()
