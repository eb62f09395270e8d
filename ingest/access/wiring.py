"""Puts the real ports of a proxy together: who may call, where calls go, what they cost."""

from ingest.access.follower import Follower
from ingest.proxy.keys import load_pepper
from ingest.proxy.ports import OpenDoors, Ports
from ingest.settings import Settings


def build_ports(settings: Settings, *, follower: Follower) -> Ports:
    """The ports of one proxy, kept up to date by `follower`, which the caller starts and stops."""
    return Ports(doors=OpenDoors(load_pepper(settings.home)))
