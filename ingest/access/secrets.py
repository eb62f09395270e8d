"""Providers' secrets, read where their references say: never stored, never logged, never in an error."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+", re.ASCII)
_NO_HEADER = re.compile(r"[^\x21-\x7e]")
_LARGEST = 16 << 10


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a reference gives no secret; one line that may be shown."""

    reason: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A provider's key."""

    value: str = field(repr=False)


class Secrets:
    """The secrets behind references. `get` looks into memory; `refresh` reads, in a thread that may wait.

    A file is read again at each refresh, so that a rotated secret is used within seconds.
    """

    def __init__(self) -> None:
        self._found: dict[str, Secret | Missing] = {}

    def get(self, reference: str) -> Secret | Missing:
        return self._found.get(reference) or Missing("its secret has not been read yet")

    def refresh(self, references: Iterable[str] | None = None) -> None:
        """Read these (None: all that are known) anew; others are forgotten."""
        wanted = self._found if references is None else references
        self._found = {reference: read_secret(reference) for reference in set(wanted)}


def read_secret(reference: str) -> Secret | Missing:
    """The secret that `env:NAME` or `file:/path` names, without the line's end."""
    kind, _, name = reference.partition(":")
    if not is_reference(reference):
        return Missing("its secret reference is neither env:NAME nor file:/path")
    if kind == "env":
        text = os.environ.get(name)
        if text is None:
            return Missing(f"the environment variable {name} is not set")
    else:
        try:
            with Path(name).open("rb") as file:
                text = file.read(_LARGEST).decode("utf-8", "replace")
        except OSError as error:
            return Missing(f"its secret file cannot be read ({error.strerror or type(error).__name__})")
    if not (text := text.strip()):
        return Missing(f"its secret ({'file' if kind == 'file' else name}) is empty")
    if _NO_HEADER.search(text):
        return Missing("its secret has characters that no HTTP header carries")
    return Secret(text)


def is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None
