"""Progress on a terminal, silence elsewhere."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from ingest.importers.parts import parts_of


@contextmanager
def import_progress(files: Sequence[Path]) -> Iterator[Callable[[int], None]]:
    """Yields a function that is told how many bytes of the files have been read so far, in all."""
    if not sys.stderr.isatty():
        yield lambda _read: None
        return
    columns = (TextColumn("importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("import", total=sum(part.path.stat().st_size for part in parts_of(files)))
        yield lambda read: progress.update(task, completed=read)
