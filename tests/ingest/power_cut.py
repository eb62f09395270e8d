"""What a disk may hold after a power cut: what was synced, and any part of what was not."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.ingest.io_shim import Note

PAGE = 4096


@dataclass(eq=False, slots=True)
class File:
    """`synced` is on the disk for certain; `loose` are the changes since: (offset, data), None for a cut."""

    synced: bytearray = field(default_factory=bytearray)
    loose: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        for offset, data in self.loose:
            _apply(self.synced, offset, data)
        self.loose.clear()

    def after_cut(self, rng: Random) -> bytes:
        """The synced content with each page written since kept or not, as the disk was going to."""
        content = bytearray(self.synced)
        for offset, data in self.loose:
            if data is None:
                if rng.random() < 0.5:
                    _apply(content, offset, None)
                continue
            for start in range(0, len(data), PAGE):
                if rng.random() < 0.5:
                    _apply(content, offset + start, data[start : start + PAGE])
        return bytes(content)


class DiskModel:
    """Files by name, as the process sees them and as the disk is sure to."""

    def __init__(self) -> None:
        self._names: dict[str, File] = {}
        self._sure: dict[str, File] = {}

    def take(self, note: Note) -> None:
        if note.op == "W":
            self._file(note.path).loose.append((note.offset, note.data))
        elif note.op == "T":
            self._file(note.path).loose.append((note.offset, None))
        elif note.op == "S":
            self._sync(note.path)
        elif note.op == "R" and note.path in self._names:
            self._names[note.data.decode()] = self._names.pop(note.path)
        elif note.op == "U":
            self._names.pop(note.path, None)

    def write_after_cut(self, target: Path, *, root: Path, rng: Random) -> None:
        """Write below `target` what a power cut now leaves: names that were not synced are there or not."""
        names = {**self._sure}
        for name in {*self._names, *self._sure}:
            if self._names.get(name) is not self._sure.get(name) and rng.random() < 0.5:
                names.pop(name, None)
                if name in self._names:
                    names[name] = self._names[name]
        for name, file in names.items():
            path = target / Path(name).relative_to(root)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.after_cut(rng))

    def _file(self, path: str) -> File:
        return self._names.setdefault(path, File())

    def _sync(self, path: str) -> None:
        if path in self._names:
            self._names[path].sync()
            return
        # A folder: the names in it are certain now.
        for name in {*self._names, *self._sure}:
            if str(Path(name).parent) == path:
                if name in self._names:
                    self._sure[name] = self._names[name]
                else:
                    self._sure.pop(name, None)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(max(0, offset - len(content))))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data
