"""A proxy in a process of its own, which a test may kill."""

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

SCRIPT = """
import resource, sys
from dataclasses import replace
from pathlib import Path
from ingest.proxy.protocol import Patience
from ingest.proxy.server import run_proxy
from ingest.proxy.serving import Serving
from ingest.settings import Settings

def limit_files(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

serving = {serving}
# A machine that does not run the proxy for seconds is not overloaded by its calls.
serving = replace(serving, capacity=replace(serving.capacity, lag_seconds=60.0))
{before}
run_proxy(settings=Settings(home=Path(sys.argv[1])), upstream_base_url=sys.argv[2],
          on_ready=lambda url: print(url, flush=True), serving=serving)
heavy = {{"dagster", "dbt", "pandas", "polars", "psycopg", "litestar"}} & set(sys.modules)
print("imported", sorted(heavy))
"""


class killable_proxy:  # noqa: N801
    """A proxy in a process of its own: (url, process); killed at the end if it still runs.

    `before` is code that runs first, `serving` the expression of how it serves.
    """

    def __init__(
        self, home: Path, upstream_url: str, *, before: str = "", serving: str = "Serving()"
    ) -> None:
        self._arguments = [
            sys.executable,
            "-c",
            textwrap.dedent(SCRIPT.format(before=before, serving=serving)),
            str(home),
            upstream_url,
        ]

    async def __aenter__(self) -> tuple[str, "subprocess.Popen[bytes]"]:
        self._process = subprocess.Popen(self._arguments, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        assert line.startswith(b"http://"), "the proxy did not start"
        return line.decode().strip(), self._process

    async def __aexit__(self, *exc: object) -> None:
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        assert self._process.stdout is not None
        self._process.stdout.close()
