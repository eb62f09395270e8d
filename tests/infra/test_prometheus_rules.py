"""Every alert rule names metrics that exist, is documented, and is shown firing and not firing."""

import re
from pathlib import Path

import pytest
import yaml

from tests.infra.exported import api_series, loader_series, proxy_series
from tests.infra.rules import Rule, all_cases, all_rules
from tests.infra.tools import PROMETHEUS, run

DOCS = Path(__file__).resolve().parents[2] / "docs"
RULES = all_rules()
ALERTS = [rule for rule in RULES if rule.is_alert]
RECORDED = {rule.name for rule in RULES if not rule.is_alert}


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    said = run("promtool", "check", "config", "prometheus.yml", cwd=PROMETHEUS)
    assert sum(map(int, re.findall(r"(\d+) rules found", said))) == len(RULES)


def test_what_prometheus_reads_for_compose_is_the_same_but_for_its_targets() -> None:
    for path in sorted((PROMETHEUS / "targets").glob("*.yml")):
        here = yaml.safe_load(path.read_text("utf-8"))
        there = yaml.safe_load((PROMETHEUS / "targets-compose" / path.name).read_text("utf-8"))
        ports = [
            [target.rpartition(":")[2] for each in file for target in each["targets"]]
            for file in (here, there)
        ]
        assert ports[0] == ports[1], path.name


@pytest.mark.parametrize("path", sorted((PROMETHEUS / "tests").glob("*.yml")), ids=lambda path: path.stem)
def test_each_alert_fires_and_does_not(path: Path) -> None:
    run("promtool", "test", "rules", str(path))


def test_each_alert_is_shown_firing_and_not_firing() -> None:
    shown = {(case.alert, case.severity, case.fires) for case in all_cases()}
    missing = [
        (rule.name, severity, fires)
        for rule in ALERTS
        for severity in [rule.body["labels"]["severity"]]
        for fires in (True, False)
        if (rule.name, severity, fires) not in shown
    ]
    assert missing == []


def test_every_metric_that_a_rule_names_is_exported() -> None:
    exported = proxy_series() | loader_series() | api_series() | RECORDED | {"up"}
    unknown = {(rule.name, name) for rule in RULES for name in rule.metrics - exported}
    assert unknown == set()
    assert all(rule.metrics for rule in RULES)


def test_every_recorded_series_is_used() -> None:
    used = {name for rule in RULES for name in rule.metrics}
    assert used >= RECORDED


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule.name}-{rule.body['labels']['severity']}")
def test_an_alert_says_whose_it_is_and_what_to_do(rule: Rule) -> None:
    labels, annotations = rule.body["labels"], rule.body["annotations"]
    assert labels["severity"] in {"critical", "warning", "info"}
    assert labels["owner"] in {"platform", "quality", "cost"}
    assert labels["component"]
    assert {"for", "keep_firing_for"} <= rule.body.keys()
    assert set(annotations) == {"summary", "description", "runbook_url"}
    page, _, anchor = annotations["runbook_url"].partition("#")
    assert page == "docs/prometheus-alerts.md"
    assert anchor == rule.name.lower()
    assert f"### {rule.name}\n" in (DOCS / "prometheus-alerts.md").read_text("utf-8")


def test_every_documented_alert_exists() -> None:
    documented = re.findall(r"^### (\w+)$", (DOCS / "prometheus-alerts.md").read_text("utf-8"), re.MULTILINE)
    assert set(documented) == {rule.name for rule in ALERTS}
    assert len(documented) == len(set(documented))


def test_every_metric_of_the_loader_and_the_api_is_documented() -> None:
    docs = (DOCS / "metrics.md").read_text("utf-8")
    assert [name for name in sorted(loader_series() | api_series()) if f"`{name}`" not in docs] == []
