"""A spool in a process of its own, one command a line: `python spool_shell.py FOLDER DURABILITY`.

`call [BYTES]` writes START and END and says `ok ID` or `refused WHY`; `beat` does what is due every second;
`files N` limits the open files to N more; `still` says how long the event loop stood still at most; `close`.
"""

import asyncio
import resource
import sys
import time
from pathlib import Path

from ingest.spool.room import Levels
from ingest.spool.writer import Spool, SpoolRefusedError
from tests.ingest.spool_calls import end, start


class Shell:
    def __init__(self, folder: str, durability: str) -> None:
        self._spool = Spool(
            Path(folder),
            durability=durability,  # pyright: ignore[reportArgumentType]
            levels=Levels(shed=0, refuse=0),
            rotate_bytes=50_000,
        )
        self._still = 0.0
        self._files = 0

    async def run(self) -> None:
        watching = asyncio.ensure_future(self._watch())
        say("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            command, *words = line.split()
            say(await getattr(self, command)(*words))
        watching.cancel()

    async def call(self, size: str = "100") -> str:
        asked = start(request=bytes(int(size)))
        try:
            await self._spool.append(asked)
            await self._spool.append(end(asked))
        except SpoolRefusedError as error:
            return f"refused {error}"
        return f"ok {asked.call_id}"

    async def beat(self) -> str:
        self._spool.start_beating()
        await asyncio.sleep(0.05)
        return f"writable {self._spool.is_writable} deferred {self._spool.deferred_ends}"

    async def files(self, more: str) -> str:
        self._files = self._files or sum(1 for _ in Path("/proc/self/fd").iterdir())
        most = self._files + int(more)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        return "limited"

    async def still(self) -> str:
        worst, self._still = self._still, 0.0
        return f"{worst:.3f}"

    async def close(self) -> str:
        self._spool.close()
        return "closed"

    async def _watch(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            self._still = max(self._still, time.perf_counter() - began - 0.005)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(Shell(*sys.argv[1:3]).run())
