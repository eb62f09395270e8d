"""The shipped alert rules and their tests, as read from their files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.infra.tools import PROMETHEUS

# What starts like a metric of ours, and what our rules record.
_NAMES = re.compile(r"[a-z_]+:[a-z_]+(?::[a-z0-9_]+)?|\bllm_[a-z_0-9]+|\bup\b")
_STRINGS = re.compile(r'"[^"]*"')
_LABEL_LISTS = re.compile(r"\b(?:by|on|without|ignoring)\s*\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of `alerts/<file>.yml`; `name` of the alert or of what it records."""

    file: str
    name: str
    is_alert: bool
    expr: str
    body: dict[str, Any]

    @property
    def metrics(self) -> set[str]:
        """Names of the series that it reads."""
        return set(_NAMES.findall(_LABEL_LISTS.sub(" ", _STRINGS.sub('""', self.expr))))


@dataclass(frozen=True, slots=True)
class Case:
    """What a promtool test says of an alert at a time."""

    alert: str
    severity: str
    fires: bool


def all_rules() -> list[Rule]:
    found: list[Rule] = []
    for path in sorted((PROMETHEUS / "alerts").glob("*.yml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for body in group["rules"]:
                is_alert = "alert" in body
                name = body["alert"] if is_alert else body["record"]
                found.append(Rule(path.stem, name, is_alert, body["expr"], body))
    return found


def all_cases() -> Iterator[Case]:
    for path in sorted((PROMETHEUS / "tests").glob("*.yml")):
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for asked in test.get("promql_expr_test", ()):
                alert = re.search(r'alertname="(\w+)"', asked["expr"])
                severity = re.search(r'severity="(\w+)"', asked["expr"])
                assert alert and severity, asked["expr"]
                yield Case(alert[1], severity[1], fires=bool(asked["exp_samples"]))
