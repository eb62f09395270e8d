"""`python -m tests.warm.server SOCKET MODULE…`: a Python that has the modules and forks for every command.

To import `lqo` takes 0.4 s of CPU and dbt 2.3 s; a fork of what has them takes 0.02 s. A command is a
process of its own as always: its arguments, environment, folder, standard streams and exit are its own.
"""

import gc
import marshal
import os
import runpy
import select
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn


def main() -> None:
    """Serve until standard input ends, with whoever started us."""
    path, *modules = sys.argv[1:]
    for name in modules:
        import_module(name)
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen(16)
        Path(f"{path}.new").rename(path)
        request = _next_request(listener)
    _become(*request)


def _next_request(listener: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next command, in a process that was forked to run it; the server itself never returns."""
    lifeline = os.dup(0)
    while True:
        ready, _, _ = select.select([listener, lifeline], [], [])
        if lifeline in ready:
            os._exit(0)
        client, _ = listener.accept()
        if os.fork() == 0:
            os.close(lifeline)
            return _received(client)
        client.close()
        _reap()


def _received(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Read the request and fork once more: the child goes on with it, the parent waits for the child."""
    head, streams, _, _ = socket.recv_fds(client, 4, 3)
    with client.makefile("rb") as rest:
        request = marshal.loads(rest.read(int.from_bytes(head)))
    child = os.fork()
    if child:
        _attend(client, child)
    client.close()
    return request, list(streams)


def _attend(client: socket.socket, child: int) -> NoReturn:
    """Tell the client how the command ended; the command goes with a client that is gone."""
    for stream in range(3):
        os.close(stream)
    handle = os.pidfd_open(child)
    ready, _, _ = select.select([client, handle], [], [])
    if handle not in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    try:
        client.sendall(marshal.dumps(os.waitstatus_to_exitcode(status)))
    except OSError:
        os._exit(1)
    os._exit(0)


def _become(request: dict[str, Any], streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    _, module, *arguments = request["arguments"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _reap() -> None:
    """Forget the attendants that are done."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    main()
