"""One loader a spool folder, also for the folders of workers that start later."""

import threading
from collections.abc import Callable
from pathlib import Path

from ingest.loading.result import LoaderResult
from ingest.spool.folders import spool_folders

LOOK_SECONDS = 0.5


def load_as_they_come(
    root: Path, *, load: Callable[[Path], LoaderResult], stop: threading.Event
) -> LoaderResult:
    """Run `load`, which ends when `stop` is set, in a thread for `root` and for each worker's folder in it.

    What one of them raises stops all and is raised here.
    """
    results: list[LoaderResult] = []
    problems: list[BaseException] = []
    running: dict[Path, threading.Thread] = {}

    def run(folder: Path) -> None:
        try:
            results.append(load(folder))
        except BaseException as error:
            problems.append(error)
            stop.set()

    try:
        while not stop.is_set():
            for folder in (root, *spool_folders(root)):
                if folder not in running:
                    running[folder] = threading.Thread(target=run, args=(folder,), name=f"loader {folder}")
                    running[folder].start()
            stop.wait(LOOK_SECONDS)
    finally:
        stop.set()
        for thread in running.values():
            thread.join()
    if problems:
        raise problems[0]
    return sum(results, LoaderResult())
