"""Files that a person names."""

from pathlib import Path

from orchestration.commands.errors import UserError

STANDARD_INPUT = Path("/dev/stdin")


def files_or_exit(path: Path) -> Path:
    """The same, or a folder with files in it; `.` is none, as an empty name would mean it, too."""
    if not path.is_dir() or path == Path():
        return file_or_exit(path)
    if not any(each.is_file() for each in path.rglob("*")):
        raise UserError(f"{path} is a folder without files", code=2)
    return path


def file_or_exit(path: Path) -> Path:
    """A path that can be opened for reading, a pipe or a device as well; `-` is standard input.

    A name that is nothing, or a folder, is bad usage.
    """
    if str(path) == "-":
        return STANDARD_INPUT
    if path.is_dir():
        raise UserError(f"{path} is a folder; name the files in it", code=2)
    if not path.exists():
        raise UserError(f"there is no file {path}", code=2)
    return path
