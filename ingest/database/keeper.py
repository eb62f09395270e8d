"""A small process beside the embedded server that stops it when nobody uses it any more.

Started as a script with an isolated interpreter (`python -I -S keeper.py PLAN`), so it imports the
standard library only. Every user of the server holds a shared lock on one file; the kernel drops
the lock of a process that dies, however it dies. The keeper stops the server as soon as it gets
that lock exclusively, and the kernel interrupts the server if the keeper itself is killed.
"""

import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from types import FrameType
from typing import TypedDict

POLL_SECONDS = 0.25
STOP_SECONDS = 120
_PR_SET_PDEATHSIG = 1


class Plan(TypedDict):
    """The one argument, as JSON."""

    command: list[str]
    data: str
    log: str
    users_lock: str
    server_lock: int
    run: str
    identity: "Identity"
    is_throwaway: bool


class Identity(TypedDict, total=False):
    """Whom the server runs as; empty to stay who we are."""

    user: int
    group: int
    extra_groups: list[int]


def main() -> None:
    plan: Plan = json.loads(sys.argv[1])
    if os.fork():
        os._exit(0)  # whoever started us need not wait for us
    wakeup = _wake_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP)
    lock = os.open(plan["users_lock"], os.O_RDWR)
    server = _start(plan)
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    is_ours = False
    while server.poll() is None:
        is_ours = _try_exclusive(lock)
        if is_ours or stopping:
            _stop(server)
            break
        select.select([wakeup], [], [], POLL_SECONDS)
        _drain(wakeup)
    shutil.rmtree(plan["run"], ignore_errors=True)
    if is_ours and plan["is_throwaway"]:
        shutil.rmtree(plan["data"], ignore_errors=True)


def _start(plan: Plan) -> subprocess.Popen[bytes]:
    log = os.open(plan["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        return subprocess.Popen(
            plan["command"],
            cwd=plan["data"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            preexec_fn=_interrupt_when_keeper_dies,  # noqa: PLW1509  (this process has one thread)
            pass_fds=[plan["server_lock"]],
            **plan["identity"],
        )
    finally:
        os.close(log)


def _interrupt_when_keeper_dies() -> None:
    # Set after the change of user, which would clear it; the keeper has one thread, whose death it tells of.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _wake_on(*signals: signal.Signals) -> int:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in signals:
        signal.signal(number, _ignore)
    return reading


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Being woken is enough."""


def _drain(reading: int) -> None:
    try:
        while os.read(reading, 64):
            pass
    except BlockingIOError:
        return


def _try_exclusive(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stop(server: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        server.send_signal(number)
        try:
            server.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return


if __name__ == "__main__":
    main()
