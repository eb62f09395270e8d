"""A disk that fails under a running spool: what was acknowledged stays, and what is refused is told."""

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from ingest.spool.reader import list_segments
from tests.ingest import spool_shell
from tests.ingest.io_shim import Disk, make_disk
from tests.ingest.spool_calls import entries_in, wait_for

MANY = 200


class Shell:
    """A spool in a process of its own (spool_shell.py) and what it acknowledged."""

    def __init__(self, folder: Path, *, durability: str, environ: dict[str, str] | None = None) -> None:
        command = [sys.executable, spool_shell.__file__, str(folder), durability]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**(environ or os.environ), "PYTHONPATH": str(Path.cwd())},
        )
        self.acknowledged: set[UUID] = set()
        if self._read() != "ready":
            self.end()
            raise AssertionError("the spool did not open")

    def ask(self, command: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        answer = self._read()
        if answer.startswith("ok "):
            self.acknowledged.add(UUID(answer.removeprefix("ok ")))
        return answer

    def end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.kill()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        assert select.select([self._process.stdout], [], [], 60)[0], "the spool does not answer"
        return self._process.stdout.readline().strip()


StartShell = Callable[..., Shell]


@pytest.fixture
def start_shell() -> Iterator[StartShell]:
    shells: list[Shell] = []

    def start(folder: Path, *, durability: str = "process", environ: dict[str, str] | None = None) -> Shell:
        shells.append(Shell(folder, durability=durability, environ=environ))
        return shells[-1]

    yield start
    for shell in shells:
        shell.end()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return make_disk(tmp_path)


def whole_calls(directory: Path) -> set[UUID]:
    """Calls with START and END in a spool that has no fault."""
    kinds: dict[UUID, set[str]] = {}
    for entry in entries_in(directory):
        assert entry.record is not None
        kinds.setdefault(entry.record.call_id, set()).add(type(entry.record).__name__)
    return {call_id for call_id, found in kinds.items() if found == {"Start", "End"}}


@pytest.mark.parametrize("durability", ["process", "strict"])
@pytest.mark.parametrize(
    "failure", [b"w", b"f", b"r", b"s"], ids=["EIO on write", "no space", "read-only", "EIO on sync"]
)
def test_a_disk_that_fails_for_a_while_costs_no_acknowledged_call(
    disk: Disk, start_shell: StartShell, durability: str, failure: bytes
) -> None:
    spool = disk.root / "spool"
    shell = start_shell(spool, durability=durability, environ=disk.environ)
    answers = [shell.ask("call 2000") for _ in range(40)]
    disk.set(failure)
    answers += [shell.ask("call 2000") for _ in range(60)] + [shell.ask("call 300000") for _ in range(3)]
    refused = [answer for answer in answers if not answer.startswith("ok ")]
    assert all(answer.startswith("refused the spool cannot be written") for answer in refused)
    if durability == "strict" or failure != b"s":
        # In process mode nothing is synced before a call is acknowledged: only the seals wait.
        assert len(refused) >= 60
        assert "writable False" in shell.ask("beat")
    disk.set(b"\0")
    wait_for(lambda: "writable True deferred 0" in shell.ask("beat"))
    assert shell.ask("call 2000").startswith("ok ")
    assert shell.ask("call 300000").startswith("ok ")
    assert shell.ask("close") == "closed"
    assert shell.acknowledged <= whole_calls(spool)
    assert all(segment.is_sealed for segment in list_segments(spool))


def test_in_strict_mode_a_disk_that_does_not_sync_makes_calls_wait_and_not_the_loop(
    disk: Disk, start_shell: StartShell
) -> None:
    shell = start_shell(disk.root / "spool", durability="strict", environ=disk.environ)
    shell.ask("call")
    disk.set(b"d")
    assert shell.ask("begin") == "begun"
    assert shell.ask("state") == "waits"
    disk.set(b"\0")
    assert shell.ask("ended").startswith("ok ")
    shell.ask("close")
    assert shell.acknowledged <= whole_calls(disk.root / "spool")


def test_in_process_mode_a_disk_that_does_not_sync_delays_nobody(disk: Disk, start_shell: StartShell) -> None:
    shell = start_shell(disk.root / "spool", environ=disk.environ)
    disk.set(b"d")
    for _ in range(MANY):
        assert shell.ask("call 1000").startswith("ok ")
    disk.set(b"\0")
    shell.ask("close")
    assert shell.acknowledged <= whole_calls(disk.root / "spool")


def test_without_a_file_to_be_had_the_live_segment_grows_and_the_next_comes_later(
    tmp_path: Path, start_shell: StartShell
) -> None:
    shell = start_shell(tmp_path)
    shell.ask("call")
    assert shell.ask("files 0") == "limited"
    for _ in range(MANY):
        assert shell.ask("call 1000").startswith("ok ")
    refused = shell.ask("call 300000")
    assert refused.startswith("ok "), "the call goes in without its body"
    shell.ask("files 200")
    wait_for(lambda: bool(shell.ask("call 60000")) and len(list_segments(tmp_path)) > 2)
    assert shell.ask("close") == "closed"
    assert shell.acknowledged <= whole_calls(tmp_path)
