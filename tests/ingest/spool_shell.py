"""A spool in a process of its own, one command a line: `python spool_shell.py FOLDER DURABILITY`.

`call [BYTES]` writes START and END and says `ok ID` or `refused WHY`; `beat` does what is due every second;
`begin` starts a call and goes on, `state` says whether it is over, or that it `waits`, `ended` waits for it;
`files N` limits the open files to N more; `close`.
"""

import asyncio
import resource
import sys
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
        self._begun: asyncio.Task[str] | None = None
        self._files = 0

    async def run(self) -> None:
        say("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            command, *words = line.split()
            say(await getattr(self, command)(*words))

    async def call(self, size: str = "100") -> str:
        asked = start(request=bytes(int(size)))
        try:
            await self._spool.append(asked)
            await self._spool.append(end(asked))
        except SpoolRefusedError as error:
            return f"refused {error}"
        return f"ok {asked.call_id}"

    async def begin(self) -> str:
        self._begun = asyncio.ensure_future(self.call())
        return "begun"

    async def state(self) -> str:
        assert self._begun is not None
        await asyncio.sleep(0.1)
        return self._begun.result() if self._begun.done() else "waits"

    async def ended(self) -> str:
        assert self._begun is not None
        return await self._begun

    async def beat(self) -> str:
        self._spool.start_beating()
        await asyncio.sleep(0.05)
        return f"writable {self._spool.is_writable} deferred {self._spool.deferred_ends}"

    async def files(self, more: str) -> str:
        self._files = self._files or sum(1 for _ in Path("/proc/self/fd").iterdir())
        most = self._files + int(more)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        return "limited"

    async def close(self) -> str:
        self._spool.close()
        return "closed"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(Shell(*sys.argv[1:3]).run())
