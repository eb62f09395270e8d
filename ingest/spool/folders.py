"""Where the workers of one proxy spool: the first in the spool's folder, the others in folders inside it.

So one worker spools where a proxy always did, and whoever copies or adopts the folder has all of it.
"""

from pathlib import Path

from ingest.spool.owner import SPOOL_ID
from ingest.spool.segment import segment_paths


def spool_folder(root: Path, *, worker: int) -> Path:
    """The folder of worker 1, 2, … of the proxy whose spool is `root`."""
    return root if worker == 1 else root / str(worker)


def spool_folders(root: Path) -> tuple[Path, ...]:
    """Every folder in which a worker has spooled, in their order; those of workers no longer run, too."""
    numbered = [path for path in root.glob("*") if path.name.isdecimal() and path.is_dir()]
    ordered = [root, *sorted(numbered, key=lambda path: int(path.name))]
    return tuple(path for path in ordered if (path / SPOOL_ID).exists() or segment_paths(path))
