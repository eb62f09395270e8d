"""Alertmanager's shipped configuration: it is valid, holds no secret, and each alert reaches somebody."""

import re

import pytest
import yaml

from tests.infra.rules import Rule, all_rules
from tests.infra.tools import ALERTMANAGER, run

FILE = ALERTMANAGER / "alertmanager.yml"
ALERTS = [rule for rule in all_rules() if rule.is_alert]
SHIPPED = yaml.safe_load(FILE.read_text("utf-8"))


def receivers(**labels: str) -> list[str]:
    """Where an alert goes, as Alertmanager itself says."""
    given = [f"{name}={value}" for name, value in labels.items()]
    said = run("amtool", "config", "routes", "test", f"--config.file={FILE}", *given)
    return said.strip().split(",")


def test_alertmanager_takes_the_configuration() -> None:
    assert "SUCCESS" in run("amtool", "check-config", str(FILE))


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"severity": "critical", "owner": "platform"}, ["history", "page"]),
        ({"severity": "critical", "owner": "cost"}, ["history", "page"]),
        ({"severity": "warning", "owner": "cost"}, ["history", "cost"]),
        ({"severity": "warning", "owner": "quality"}, ["history", "slack"]),
        ({"severity": "info", "owner": "quality"}, ["history", "discord"]),
        ({"alertname": "failing_share", "source": "marts", "severity": "warning"}, ["history", "slack"]),
        ({}, ["history", "slack"]),
    ],
)
def test_who_is_told_follows_from_severity_and_owner(labels: dict[str, str], told: list[str]) -> None:
    assert receivers(**labels) == told


def test_no_receiver_is_empty() -> None:
    for receiver in SHIPPED["receivers"]:
        configurations = [one for kind, ones in receiver.items() if kind.endswith("_configs") for one in ones]
        assert configurations, receiver["name"]


def test_every_secret_is_a_file() -> None:
    text = FILE.read_text("utf-8")
    secret = re.findall(
        r"^\s*-?\s*(\w*(?:password|token|credentials|api_url|webhook_url)\w*):", text, re.MULTILINE
    )
    assert secret
    assert all(name.endswith("_file") for name in secret), secret


def test_what_is_inhibited_exists() -> None:
    named = {rule.name for rule in ALERTS}
    components = {rule.body["labels"]["component"] for rule in ALERTS}
    for rule in SHIPPED["inhibit_rules"]:
        text = " ".join([*rule["source_matchers"], *rule["target_matchers"]])
        assert set(re.findall(r'alertname!?="(\w+)"', text)) <= named
        for alternatives in re.findall(r'component=~?"([\w|]+)"', text):
            assert set(alternatives.split("|")) <= components


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule.name}-{rule.body['labels']['severity']}")
def test_an_alert_is_not_inhibited_by_itself(rule: Rule) -> None:
    labels = {**rule.body["labels"], "alertname": rule.name}
    for inhibition in SHIPPED["inhibit_rules"]:
        source = all(_matches(one, labels) for one in inhibition["source_matchers"])
        target = all(_matches(one, labels) for one in inhibition["target_matchers"])
        assert not (source and target)


def _matches(matcher: str, labels: dict[str, str]) -> bool:
    found = re.fullmatch(r'(\w+)(=~|!=|=)"([^"]*)"', matcher)
    assert found, matcher
    value = labels.get(found[1], "")
    if found[2] == "=~":
        return re.fullmatch(found[3], value) is not None
    return (value == found[3]) == (found[2] == "=")
