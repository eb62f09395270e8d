"""What a soak does and when: load at a steady rate, an outage of Postgres in the middle, a kill inside it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate` calls a second for `seconds`; Postgres is away for `outage` seconds in the middle, and half-way
    through that the proxy is killed with -9 and started again. `streams` is the share of streamed calls,
    `delay` the seconds that the provider takes. `home` stays if it is given."""

    rate: float = 300.0
    seconds: float = 120.0
    outage: float = 25.0
    streams: float = 0.05
    delay: float = 0.02
    words: int = 5

    @property
    def stop_at(self) -> float:
        """Seconds after the start at which Postgres goes."""
        return (self.seconds - self.outage) / 2

    @property
    def kill_at(self) -> float:
        return self.stop_at + self.outage / 2

    @property
    def start_at(self) -> float:
        return self.stop_at + self.outage


@dataclass(slots=True)
class Events:
    """When things happened, in monotonic seconds of this machine; 0 before."""

    began: float = 0.0
    stopped: float = 0.0
    killed: float = 0.0
    served_again: float = 0.0
    started: float = 0.0
    caught_up: float = 0.0
    ended: float = 0.0
