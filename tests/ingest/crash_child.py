"""Runs a spool, a recovery or a loader and kills itself (-9) at one point of it.

    python crash_child.py POINT NTH write FOLDER          # acknowledges each record on standard output
    python crash_child.py POINT NTH load FOLDER URL

POINT is `module:Class.function:before|after`; the process dies at its NTH call. The product has no hooks:
the function is wrapped here.
"""

import asyncio
import functools
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingest.database.url import parse_url
from ingest.loader import run_loader
from ingest.settings import Settings
from ingest.spool.writer import Spool
from tests.ingest.spool_calls import end, start


def arm(point: str, *, nth: int) -> None:
    module_name, path, when = point.split(":")
    owner: Any = importlib.import_module(module_name)
    *holders, name = path.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    setattr(owner, name, deadly(getattr(owner, name), nth=nth, when=when))


def deadly(function: Callable[..., Any], *, nth: int, when: str) -> Callable[..., Any]:
    calls = 0

    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "before" and calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **options)
        if when == "after" and calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapped


async def write(home: Path) -> None:
    spool = Spool(Settings(home=home).spool, rotate_bytes=60_000)

    async def call(number: int) -> None:
        asked = start(request=bytes(300_000) if number % 25 == 9 else bytes(900))
        for record in (asked, end(asked)):
            await spool.append(record)
            os.write(1, f"{type(record).__name__} {asked.call_id}\n".encode())

    deadline, first = time.monotonic() + 60, 0
    while time.monotonic() < deadline:
        await asyncio.gather(*(call(first + n) for n in range(5)))
        first += 5
        # Time for the thread that prepares and seals: without a next segment the live one just grows.
        await asyncio.sleep(0.005)
    spool.close()


def main() -> None:
    point, nth, job, home = sys.argv[1:5]
    arm(point, nth=int(nth))
    if job == "write":
        asyncio.run(write(Path(home)))
    else:
        settings = Settings(home=Path(home), spool_keep_hours=0)
        run_loader(settings, parse_url(sys.argv[5]), once=True)


if __name__ == "__main__":
    main()
