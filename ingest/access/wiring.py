"""Puts the real ports of a proxy together: who may call, where calls go, what they cost."""

from ingest.access import prices
from ingest.access.follower import Follower
from ingest.access.prices import SnapshotPricer
from ingest.access.router import ModelRouter
from ingest.proxy.keys import load_pepper
from ingest.proxy.ports import OpenDoors, Ports
from ingest.settings import Settings


def build_ports(settings: Settings, *, follower: Follower) -> Ports:
    """The ports of one proxy, kept up to date by `follower`, which the caller starts and stops."""
    router, pricer = ModelRouter(), SnapshotPricer()
    follower.listen_prepared(router.rows_of, router.replace)
    follower.each_beat(router.refresh_secrets)
    follower.listen_prepared(prices.rows_of, pricer.replace)
    return Ports(doors=OpenDoors(load_pepper(settings.home)), router=router, pricer=pricer)
