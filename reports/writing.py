"""A page on disk."""

import os
from pathlib import Path
from uuid import uuid4


def write_whole(path: Path, text: str, *, is_private: bool = False) -> Path:
    """Write the text as UTF-8, whole or not at all; makes the folder. `is_private`: for the owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{uuid4().hex}{path.suffix}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_private else 0o666)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path
