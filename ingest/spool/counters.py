"""What the spool has done since its proxy started: plain numbers, for the metrics page."""

from dataclasses import dataclass


@dataclass(slots=True)
class SpoolCounters:
    """`refused` are records the disk did not take, `shed` those that went in without their body.

    `unlogged` are calls served without a row (`on_full="serve"`), `large_bodies` the bodies in files of
    their own. `commit_seconds` is the time spent in commits, `slowest_commit_seconds` the worst of them.
    """

    records: int = 0
    commits: int = 0
    bytes_written: int = 0
    large_bodies: int = 0
    refused: int = 0
    shed: int = 0
    unlogged: int = 0
    rotations: int = 0
    commit_seconds: float = 0.0
    slowest_commit_seconds: float = 0.0
