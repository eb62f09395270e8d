"""One worker of a proxy with several: `python -m ingest.proxy.worker`, started by the supervisor only.

Its job is the first line of standard input. That stays open: its end is the supervisor's end, whatever
killed it, and then the worker drains and goes, so that it never shares a port with the next start.
"""

import os
import signal
import sys
import threading

from ingest.logs import LogSettingsError, set_up_logs
from ingest.proxy.job import READY, decode_job
from ingest.proxy.server import runner, serve_proxy
from ingest.proxy.serving import ProxyError
from ingest.spool.owner import SpoolBusyError

CANNOT_START = 3


def main() -> int:
    """The exit status; what kept it from starting is one line on standard output."""
    job = decode_job(sys.stdin.buffer.readline())
    threading.Thread(target=_go_with_the_supervisor, daemon=True).start()
    try:
        set_up_logs(os.environ, in_background=True)
        with runner() as running:
            running.run(
                serve_proxy(
                    host=job.host,
                    port=job.port,
                    settings=job.settings,
                    upstream_base_url=job.upstream_base_url,
                    on_ready=lambda url: _say(f"{READY} {url}"),
                    serving=job.serving,
                    limits=job.limits,
                    worker=job.worker,
                )
            )
    except (LogSettingsError, ProxyError, SpoolBusyError) as error:
        _say(str(error))
        return CANNOT_START
    return 0


def _go_with_the_supervisor() -> None:
    # os.read, as a thread inside sys.stdin would hold its lock at exit.
    while os.read(0, 1 << 10):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
