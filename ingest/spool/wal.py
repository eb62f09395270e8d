"""Was something committed behind a damaged WAL frame? (Format: https://www.sqlite.org/fileformat2.html#walformat)"""

import struct
from pathlib import Path

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = (0x377F0682, 0x377F0683)


def lost_commits(wal: Path, *, valid_frames: int) -> int:
    """Commit frames of this WAL's own generation that stand after the last frame SQLite accepted.

    SQLite stops reading at the first frame with a bad checksum, without a word. A segment's WAL is
    never reset, so commit frames behind that point held acknowledged rows. The torn tail of a killed
    writer has none: its commit frame is written last.
    """
    try:
        with wal.open("rb") as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                return 0
            magic, _, page_size, _, *salts, _, _ = _HEADER.unpack(header)
            if magic not in _MAGIC:
                return 1
            stride = _FRAME.size + page_size
            file.seek(_HEADER.size + valid_frames * stride)
            lost = 0
            while len(head := file.read(_FRAME.size)) == _FRAME.size:
                _, pages_after_commit, *frame_salts, _, _ = _FRAME.unpack(head)
                if len(file.read(page_size)) < page_size:
                    break
                lost += pages_after_commit > 0 and frame_salts == salts
            return lost
    except FileNotFoundError:
        return 0
