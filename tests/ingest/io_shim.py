"""A process whose disk can be made to fail, and whose writes and syncs are noted (io_shim.c)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("io_shim.c")
HEAD_BYTES = 15


def build_shim(folder: Path) -> Path:
    """The compiled shim; skips the test where there is no C compiler or no Linux."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    library = folder / "io_shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
    subprocess.run(command, check=True, capture_output=True)
    return library


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk under `root` as a process sees it that was started with `environ`."""

    library: Path
    root: Path
    trace: Path
    control: Path

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "LD_PRELOAD": str(self.library),
            "IO_SHIM_ROOT": str(self.root),
            "IO_SHIM_TRACE": str(self.trace),
            "IO_SHIM_CONTROL": str(self.control),
        }

    def set(self, mode: bytes) -> None:
        """Fail or dawdle as the letter says (io_shim.c), or work again (NUL)."""
        with self.control.open("r+b") as file:
            file.write(mode)


def make_disk(folder: Path) -> Disk:
    root = folder / "disk"
    root.mkdir()
    disk = Disk(build_shim(folder), root, folder / "trace", folder / "control")
    disk.control.write_bytes(b"\0")
    return disk


@dataclass(frozen=True, slots=True)
class Note:
    """What the process did: W(rite), S(ync), T(runcate), R(ename; `data` is the new path), U(nlink)."""

    op: str
    path: str
    offset: int
    data: bytes


def read_trace(path: Path) -> Iterator[Note]:
    data, at = path.read_bytes(), 0
    while at + HEAD_BYTES <= len(data):
        op, head = chr(data[at]), data[at + 1 : at + HEAD_BYTES]
        length, size = int.from_bytes(head[:2], "little"), int.from_bytes(head[10:], "little")
        offset, at = int.from_bytes(head[2:10], "little", signed=True), at + HEAD_BYTES
        yield Note(op, data[at : at + length].decode(), offset, data[at + length : at + length + size])
        at += length + size
