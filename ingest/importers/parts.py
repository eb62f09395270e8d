"""The files of an import: those that were named, and those in named folders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_NO_DATA = "manifests"
"""Langfuse keeps a list of each run's files in a folder of this name."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file; `is_named` where somebody named it, not only its folder."""

    path: Path
    is_named: bool


def parts_of(paths: Iterable[Path]) -> list[Part]:
    """The files in order; those of a folder, at any depth, by name, without hidden and marker files."""
    parts: list[Part] = []
    for path in paths:
        parts += (
            [Part(each, False) for each in _files_in(path)] if path.is_dir() else [Part(path, is_named=True)]
        )
    return parts


def _files_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).parts
        if path.is_file() and _NO_DATA not in inner and not any(name[0] in "._" for name in inner):
            yield path
