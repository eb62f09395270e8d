"""channels.yaml: read whole or not at all, routes in order, secrets by reference alone."""

import json
from pathlib import Path

import pytest

from orchestration.alerts.definition.problems import FileProblemsError
from orchestration.alerts.delivery.channel import Parcel, Reply
from orchestration.alerts.delivery.channels import (
    DiscordChannel,
    SlackChannel,
    WebhookChannel,
    build_channels,
)
from orchestration.alerts.delivery.plan import Plan, current_plan, read_channels
from orchestration.alerts.delivery.routing import route
from tests.orchestration.delivery.messages import Posted, alert

FILE = """\
version: 1
channels:
  - {name: ops, type: slack, url: "env:OPS_HOOK"}
  - {name: night, type: discord, url: "env:NIGHT_HOOK", per_minute: 5, digest_above: null}
  - name: mail
    type: email
    host: mail.example.com
    from: LQO <lqo@example.com>
    to: [team@example.com, lead@example.com]
  - {name: desk, type: webhook, url: "https://desk.example/in", secret: "env:DESK_SECRET"}
routes:
  - match: {severity: [critical]}
    channels: [night]
    continue: true
  - match: {owner: [search], labels: {tier: gold}}
    channels: [ops, night]
  - match: {severity: [info]}
    channels: []
default: [mail]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "channels.yaml").write_text(FILE)
    return tmp_path


def plan(folder: Path, **environ: str) -> Plan:
    return current_plan({"LQO_ALERTS": str(folder), **environ})


def test_routes_are_tried_in_order_until_one_ends_it(folder: Path) -> None:
    found = plan(folder)
    assert found.problem is None
    assert route(alert(labels={"tier": "gold"}), found) == ["night", "ops"]
    assert route(alert(), found) == ["night"]
    assert route(alert(severity="warning"), found) == ["mail"]
    assert route(alert(severity="warning", group={"tier": "gold"}), found) == ["ops", "night"]
    assert route(alert(severity="info"), found) == []


def test_the_channels_of_a_rule_go_before_routes(folder: Path) -> None:
    assert route(alert(channels=["desk", "desk", "ops"]), plan(folder)) == ["desk", "ops"]


def test_with_an_alertmanager_everything_goes_there(folder: Path) -> None:
    found = plan(folder, ALERTMANAGER_URL="http://127.0.0.1:9093")
    assert route(alert(channels=["ops"]), found) == ["alertmanager"]


def test_a_file_that_cannot_be_read_makes_alerts_wait(folder: Path) -> None:
    (folder / "channels.yaml").write_text(FILE.replace("type: discord", "type: discrod"))
    found = plan(folder)
    assert found.problem is not None and "channels.yaml:4" in found.problem
    assert route(alert(), found) == ["unrouted"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("env:OPS_HOOK", "https://hooks.slack.com/services/T/B/s3cret", r":3: channels\[0\].url"),
        ("per_minute: 5", "per_minute: 0", r":4: channels\[1\].per_minute"),
        ("per_minute: 5", "perminute: 5", r":4: channels\[1\].perminute.*did you mean"),
        ("host: mail.example.com", "tls: starttls", r":5: channels\[2\].host.*missing"),
        ("name: desk", "name: ops", r":10: channels\[3\].name: ops stands twice"),
        ("name: desk", "name: unrouted", r":10: channels\[3\].name: unrouted is kept"),
        ("channels: [night]", "channels: [nigth]", r":13: routes\[0\].channels: nigth is no channel"),
        ("default: [mail]", "default: [nobody]", r":19: default: nobody is no channel"),
        ("default: [mail]", "default: [mail]\nreports: [desk]", r":20: reports: desk carries no report"),
        ("version: 1", "version: 2", r":1: version"),
    ],
)
def test_what_is_wrong_is_a_line_with_file_line_and_field(old: str, new: str, words: str) -> None:
    assert old in FILE
    with pytest.raises(FileProblemsError, match=words) as caught:
        read_channels(FILE.replace(old, new, 1).encode())
    assert "s3cret" not in str(caught.value) and "\n" not in str(caught.value)


def test_without_a_file_the_environment_says_it_all(tmp_path: Path) -> None:
    assert current_plan({"LQO_HOME": str(tmp_path)}).default == ("slack",)
    slack = current_plan({"LQO_HOME": str(tmp_path), "LQO_SLACK_WEBHOOK_URL": "https://hooks.example/x"})
    assert (slack.names, slack.reports) == (("slack",), ("slack",))
    both = {"LQO_SLACK_WEBHOOK_URL": "https://hooks.example/x", "LQO_SMTP_HOST": "mail.example.com"}
    found = current_plan({"LQO_HOME": str(tmp_path), **both})
    assert (found.default, found.reports) == (("slack",), ("slack", "email"))
    mail = current_plan({"LQO_HOME": str(tmp_path), "LQO_SMTP_HOST": "mail.example.com"})
    assert (mail.default, mail.mails) == (("email",), frozenset({"email"}))
    channels = build_channels(slack, {"LQO_SLACK_WEBHOOK_URL": "https://hooks.example/x"})
    assert [channel.name for channel in channels] == ["slack"] and "hooks" not in repr(channels)


def test_channels_of_the_file_stand_beside_those_of_the_environment(folder: Path) -> None:
    environ = {"LQO_SLACK_WEBHOOK_URL": "https://hooks.example/x", "LQO_HOME": str(folder)}
    found = plan(folder, **environ)
    assert found.names == ("ops", "night", "mail", "desk", "slack")
    assert [channel.name for channel in build_channels(found, environ)] == list(found.names)
    assert [channel.limits.per_minute for channel in build_channels(found, environ)] == [60, 5, 20, None, 60]


def test_a_secret_is_read_at_each_try(monkeypatch: pytest.MonkeyPatch) -> None:
    post = Posted()
    channel = SlackChannel("ops", "env:OPS_HOOK", post=post)
    monkeypatch.delenv("OPS_HOOK", raising=False)
    assert channel.deliver(Parcel("k", (alert(),))) == Reply(
        0, "the environment variable OPS_HOOK is not set"
    )
    monkeypatch.setenv("OPS_HOOK", "https://hooks.example/new")
    assert channel.deliver(Parcel("k", (alert(),), is_repeat=True)).is_ok
    [(url, _, headers)] = post.requests
    assert url == "https://hooks.example/new"
    assert headers == {"Idempotency-Key": "k", "X-LQO-Repeat": "possible"}


def test_slack_that_cannot_fetch_the_picture_gets_the_message_without() -> None:
    post = Posted([Reply(400, "HTTP 400: invalid_blocks", is_final=True)])
    channel = SlackChannel("ops", "https://x.example", chart_url=lambda _: "https://y.example/c", post=post)
    assert channel.deliver(Parcel("k", (alert(),))).is_ok
    first, second = (body for _, body, _ in post.requests)
    assert b'"image"' in first and b'"image"' not in second


def test_discord_gets_the_picture_as_a_file() -> None:
    post = Posted()
    assert (
        DiscordChannel("night", "https://d.example/hook?x=1", post=post)
        .deliver(Parcel("k", (alert(),)))
        .is_ok
    )
    [(url, body, headers)] = post.requests
    assert url == "https://d.example/hook?x=1&wait=true"
    kind, _, boundary = headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    payload, picture = (part.split(b"\r\n\r\n", 1)[1] for part in body.split(f"--{boundary}".encode())[1:3])
    assert json.loads(payload)["embeds"][0]["image"] == {"url": "attachment://chart.png"}
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")


def test_a_webhook_without_its_secret_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    post = Posted()
    channel = WebhookChannel("desk", "https://desk.example/in", "env:DESK_SECRET", post=post)
    monkeypatch.delenv("DESK_SECRET", raising=False)
    assert not channel.deliver(Parcel("k", (alert(),))).is_ok and not post.requests
    monkeypatch.setenv("DESK_SECRET", "s3cret")
    assert channel.deliver(Parcel("k", (alert(),))).is_ok
    assert {"X-LQO-Timestamp", "X-LQO-Signature"} <= post.requests[0][2].keys()
    assert "s3cret" not in repr(post.requests)
