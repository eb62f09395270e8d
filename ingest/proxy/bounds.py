"""What a call may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a call may take. `drain_*` bound what is still read for a client that went away, `private_bytes`
    an answer that is held in memory, as it may not touch the disk unmasked."""

    body_bytes: int = 32 << 20
    body_idle_seconds: float = 30.0
    part_seconds: float = 1.0
    part_bytes: int = 64 << 10
    plain_part_bytes: int = 4 << 20
    private_bytes: int = 8 << 20
    drain_seconds: float = 10.0
    drain_bytes: int = 1 << 20
