"""What a proxy does with the spool it finds: seal what a killed one left, set aside what is no segment."""

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ingest.spool.bodies import body_names, remove_strays
from ingest.spool.keeper import Keeper
from ingest.spool.owner import Owner
from ingest.spool.segment import (
    QUARANTINE,
    ForeignSegmentError,
    body_files,
    parse_name,
    read_number,
    recover_segment,
    segment_paths,
    wal_path,
)

logger = logging.getLogger(__name__)

_HOPELESS = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)
_DOUBT = "the machine went down over it: what it was given in its last seconds may be missing"


def open_keeper(directory: Path, *, spool_id: str, owner: Owner) -> Keeper:
    """Recover every segment of the directory and go on behind the last one.

    A file that is no segment of this name, or is damaged past sealing, goes to `quarantine`, where the
    loader still takes from it what can be read; the others are not held up by it.
    """
    for draft in directory.glob("*.draft*"):
        draft.unlink()
    last = read_number(directory)
    doubt = _DOUBT if owner.is_after_power_cut else None
    was_live = True
    for path in segment_paths(directory):
        name = parse_name(path)
        last = max(last, name.number if name else 0)
        try:
            recovered = recover_segment(path, doubt=doubt, was_live=was_live)
        except (sqlite3.Error, OSError, UnicodeDecodeError, ForeignSegmentError) as error:
            logger.error("spool segment %s cannot be recovered: %s", path.name, error)
            if is_hopeless(error):
                _set_aside(path)
            continue
        if recovered.damage:
            logger.error("spool segment %s: %s", path.name, recovered.damage)
        was_live = was_live and recovered.was_sealed
    _sweep(directory)
    return Keeper(
        directory,
        spool_id=spool_id,
        owner=owner.epoch,
        first_number=last + 1,
        is_synced=owner.durability == "strict",
    )


def is_hopeless(error: Exception) -> bool:
    """Whether the file itself is at fault, and not the disk or another process for the moment."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, ForeignSegmentError | UnicodeDecodeError) or (
        code is not None and code & 0xFF in _HOPELESS
    )


def _set_aside(path: Path) -> None:
    folder = path.parent / QUARANTINE
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
        path.rename(folder / path.name)
        with suppress(FileNotFoundError):
            wal_path(path).rename(wal_path(folder / path.name))
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
    except OSError as error:
        logger.error("spool segment %s cannot be set aside: %s", path.name, error)


def _sweep(directory: Path) -> None:
    """Delete bodies whose record never came, unless some segment cannot say which ones are its own."""
    if not body_names(directory):
        return
    try:
        known = set(_all_body_files(directory))
    except sqlite3.Error as error:
        logger.warning("bodies without a record stay, as not all segments can be read: %s", error)
        return
    if strays := remove_strays(directory, known=known):
        logger.info("deleted %d bodies of calls that were never acknowledged", strays)


def _all_body_files(directory: Path) -> Iterable[str]:
    for folder in (directory, directory / QUARANTINE):
        for path in segment_paths(folder):
            yield from body_files(path)
