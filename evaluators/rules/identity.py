"""Which rule exactly gave a verdict: a hash over its code and configuration."""

import re
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.resources import files

from evaluators.rules.base import Rule

_PACKAGE = "evaluators.rules"
_IMPORT = re.compile(r"^from evaluators\.rules\.([\w.]+) import", re.MULTILINE)


def rule_hash(rule: Rule) -> str:
    """Twelve hex digits over name, semver, configuration and the source of the rule's module and of every
    module of this package that it imports: a changed helper is a changed rule."""
    digest = sha256(repr((rule.name, rule.version, rule.severity, rule.config)).encode())
    for source in _sources(rule.check.__module__.removeprefix(f"{_PACKAGE}.")):
        digest.update(source)
    return digest.hexdigest()[:12]


def rule_set_hash(rules: Iterable[Rule]) -> str:
    """Twelve hex digits over the hashes of the rules; their order does not matter."""
    return sha256(",".join(sorted(rule_hash(rule) for rule in rules)).encode()).hexdigest()[:12]


@cache
def _sources(module: str) -> tuple[bytes, ...]:
    # What prepares the frame feeds every rule.
    names, found = {module, "prepare"}, dict[str, str]()
    while names - found.keys():
        name = min(names - found.keys())
        path = files(_PACKAGE).joinpath(*name.split(".")[:-1], f"{name.rpartition('.')[2]}.py")
        found[name] = path.read_text(encoding="utf-8")
        names |= set(_IMPORT.findall(found[name]))
    return tuple(found[name].encode() for name in sorted(found))
