"""Puts the real ports of a proxy together: who may call, where calls go, what they cost."""

from dataclasses import dataclass
from pathlib import Path

from ingest.access import prices
from ingest.access.doors import KeyDoors, OpenHouse
from ingest.access.follower import Follower
from ingest.access.keys import KeyBook
from ingest.access.prices import SnapshotPricer
from ingest.access.privacy import ProjectPrivacy
from ingest.access.router import ModelRouter
from ingest.access.snapshot import Snapshot
from ingest.limits.metering import Metering
from ingest.proxy.keys import load_pepper
from ingest.proxy.ports import Doors
from ingest.proxy.surroundings import OpenDoors, Ports
from ingest.settings import Settings


@dataclass(frozen=True, slots=True)
class Access:
    """The ports of one proxy, and what counts behind them: `metering` to be started before calls come and
    closed when none runs any more, `router` for what it knows of its targets."""

    ports: Ports
    metering: Metering
    router: ModelRouter


def build_access(settings: Settings, *, follower: Follower, spool: Path, n_workers: int = 1) -> Access:
    """All of it, kept up to date by `follower`, which the caller starts and stops.

    `spool` is the spool's folder, which must be ours by now; `n_workers` share the home. Raises LimitsError.
    """
    router, pricer = ModelRouter(), SnapshotPricer()
    follower.listen_prepared(router.rows_of, router.replace)
    follower.each_beat(router.refresh_secrets)
    follower.listen_prepared(prices.rows_of, pricer.replace)
    has_budgets = bool(follower.snapshot.budgets)
    metering = Metering(
        settings, spool=spool, book=pricer.book_of, has_budgets=has_budgets, n_workers=n_workers
    )
    follower.listen(metering.take_in)
    privacy = ProjectPrivacy(pepper=load_pepper(settings.home), otherwise=settings.keep)
    follower.listen_prepared(privacy.rows_of, privacy.take_in)
    doors = _doors(settings, follower=follower)
    ports = Ports(doors=doors, router=router, admission=metering.admission, pricer=pricer, privacy=privacy)
    return Access(ports=ports, metering=metering, router=router)


def _doors(settings: Settings, *, follower: Follower) -> Doors:
    if settings.auth == "passthrough":
        return OpenDoors(load_pepper(settings.home))
    if settings.auth == "off":
        return OpenHouse(pepper=load_pepper(settings.home))
    doors = KeyDoors(
        age_seconds=lambda: follower.age_seconds, max_age_seconds=settings.access_max_age_hours * 3600
    )
    follower.listen_prepared(_book_of, doors.take_in)
    return doors


def _book_of(snapshot: Snapshot) -> KeyBook:
    return KeyBook(snapshot.keys, read_at_ns=snapshot.taken_at_ns)
