"""Asset names as people type them."""

from collections.abc import Sequence

import dagster as dg


class UnknownAssetError(ValueError):
    """No asset or group has this name; the message lists what comes near."""


def resolve_assets(names: Sequence[str], *, specs: Sequence[dg.AssetSpec]) -> list[dg.AssetKey]:
    """The assets that these names mean, in a stable order.

    A name is a path (`evaluation/rule_scores`), the last part of one where only one asset has it
    (`rule_scores`), or a group (`marts`); a `+` at its end adds everything downstream.
    Raises UnknownAssetError.
    """
    own = {spec.key: spec for spec in specs}
    found: set[dg.AssetKey] = set()
    for name in names:
        keys = _named(name.removesuffix("+"), own)
        found |= _with_downstream(keys, own) if name.endswith("+") else keys
    return sorted(found, key=lambda key: key.to_user_string())


def _named(name: str, own: dict[dg.AssetKey, dg.AssetSpec]) -> set[dg.AssetKey]:
    exact = {key for key in own if key.to_user_string() == name}
    group = {key for key, spec in own.items() if spec.group_name == name}
    last = {key for key in own if key.path[-1] == name}
    if exact or group:
        return exact or group
    if len(last) == 1:
        return last
    if last:
        raise UnknownAssetError(f"{name!r} may mean {_listed(last)}; give the whole path")
    raise UnknownAssetError(f"there is no asset or group {name!r}; there are {_listed(set(own))}")


def _with_downstream(keys: set[dg.AssetKey], own: dict[dg.AssetKey, dg.AssetSpec]) -> set[dg.AssetKey]:
    found = set(keys)
    while True:
        more = {key for key, spec in own.items() if found & {dep.asset_key for dep in spec.deps}} - found
        if not more:
            return found
        found |= more


def _listed(keys: set[dg.AssetKey]) -> str:
    return ", ".join(sorted(key.to_user_string() for key in keys))
