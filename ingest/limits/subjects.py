"""Whom a call is counted against, under names of one size that hold nobody's words."""

import ipaddress
from collections.abc import Mapping
from hashlib import sha256

Subjects = Mapping[str, str]
"""Scope (key, user, ip, project) to subject; a scope is absent where a call has no such subject."""


def tag(subject: str) -> str:
    """24 hexadecimal digits of SHA-256: user ids may be long, secret or hold any character."""
    return sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def network_of(address: str) -> str:
    """An IP address as it is limited: IPv4 whole (also inside IPv6), IPv6 by its /64, which one host may
    choose its addresses from at will."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
