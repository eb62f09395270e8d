"""`lqo alerts …` as people type it, against a real warehouse."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ingest.database.url import DatabaseUrl
from orchestration.commands.alerts import app
from orchestration.commands.errors import UserError
from tests.orchestration.actions.conftest import Alerts

Lqo = Callable[..., str]


@pytest.fixture
def lqo(
    alerts: Alerts, desk_url: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Runs a verb and gives what it prints; raises UserError as `lqo` catches it."""
    monkeypatch.setenv("LQO_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", desk_url.libpq())
    monkeypatch.delenv("LQO_ALERTS", raising=False)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments)
        if isinstance(done.exception, UserError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def rows(lqo: Lqo, *arguments: str) -> list[dict[str, Any]]:
    return json.loads(lqo(*arguments, "--format", "json"))


def test_an_alert_from_the_list_to_its_story(lqo: Lqo, alerts: Alerts) -> None:
    alerts.event(group="gpt-5 미니", owner="search", labels={"team": "검색"})
    (alert,) = rows(lqo, "list")
    assert (alert["state"], alert["group_key"], alert["acknowledged_by"]) == ("firing", "gpt-5 미니", None)

    said = lqo("ack", alert["fingerprint"][:8], "--note", "되돌리는 중 🙂", "--by", "kim")
    assert said.startswith("failing_share of gpt-5 미니 is kim's since ")
    assert "is kim's already" in lqo("ack", "failing_share", "gpt-5 미니", "--by", "lee")
    assert rows(lqo, "list")[0]["acknowledged_by"] == "kim"

    lqo("silence", "--rule", "failing_share", "--until", "2h", "--reason", "INC-12", "--by", "lee")
    alerts.send()
    (story,) = rows(lqo, "show", "failing_share", "gpt-5 미니")
    assert story["alert"]["acknowledgement_note"] == "되돌리는 중 🙂"
    assert story["alert"]["silenced_until"] is not None
    told = [(line["what"], line["who"]) for line in story["story"]]
    assert told == [
        ("firing", "critical"),
        ("silenced", "slack"),
        ("acknowledged", "kim"),
        ("silenced", "lee"),
    ]
    assert [line["what"] for line in rows(lqo, "history")] == ["silenced", "acknowledged", "firing"]


def test_other_alerts_are_no_part_of_a_story(lqo: Lqo, alerts: Alerts) -> None:
    alerts.event(group="m")
    alerts.event(group="other")
    common = ("--until", "2h", "--reason", "x")
    lqo("silence", "--group", "other", *common)
    lqo("silence", "--severity", "info", *common)
    lqo("silence", "--label", "team=ads", *common)
    lqo("mute", "judge_grades", *common)
    (story,) = rows(lqo, "show", "failing_share", "m")
    assert [line["what"] for line in story["story"]] == ["firing", "waits"]


def test_a_story_begins_with_what_the_rule_means(lqo: Lqo, alerts: Alerts) -> None:
    alerts.event(group="m")
    lines = lqo("show", "failing_share", "m").splitlines()
    assert lines[1].split(maxsplit=3)[3].startswith("More of a model's answers fail the rule checks")
    assert "docs/alerting.md#failing_share" in lines[2]


def test_a_mute_and_its_end(lqo: Lqo, alerts: Alerts) -> None:
    alerts.state("pending")
    assert "is mute until" in lqo("mute", "failing_share", "--until", "2h", "--reason", "wrong")
    (alert,) = rows(lqo, "list")
    assert alert["muted_until"] is not None
    assert [mute["state"] for mute in rows(lqo, "mutes")] == ["active"]
    assert lqo("unmute", "failing_share") == "failing_share is heard again\n"
    assert lqo("unmute", "failing_share") == "failing_share was not mute\n"
    assert rows(lqo, "list")[0]["muted_until"] is None


def test_a_silence_by_what_alerts_are_and_its_end(lqo: Lqo, alerts: Alerts) -> None:
    said = lqo(
        "silence", "--label", "team=search", "--owner", "ops", "--severity", "warning",
        "--start", "1h", "--until", "2h", "--reason", "a release",
    )  # fmt: skip
    assert ": every rule, severity warning, owner ops, team=search is silent from " in said
    (silence,) = rows(lqo, "silences")
    assert (silence["labels"], silence["owner"], silence["state"]) == ({"team": "search"}, "ops", "to come")
    assert "is over\n" in lqo("unsilence", silence["silence_id"][:8])
    assert "was over already" in lqo("unsilence", silence["silence_id"])


def test_a_silence_of_everything_says_so_and_ends_by_its_first_letters_alone(
    lqo: Lqo, alerts: Alerts
) -> None:
    said = lqo("silence", "--until", "2h", "--reason", "x")
    assert ": EVERY alert of every rule is silent until " in said
    for name, reason in (
        ("zzzz", "the first letters"),
        ("%", "the first letters"),
        ("ffff0000", "there is no"),
    ):
        with pytest.raises(UserError, match=reason):
            lqo("unsilence", name)
    assert "is over\n" in lqo("unsilence", said[:13])


def test_a_story_as_a_table_and_as_csv(lqo: Lqo, alerts: Alerts) -> None:
    alerts.event(group="[red]m[/red]")
    assert "[red]m[/red]" in lqo("show", "failing_share")
    (line, *_) = csv.DictReader(io.StringIO(lqo("show", "failing_share", "--format", "csv")))
    assert (line["what"], line["said"]) == ("firing", "it is")
    assert "[red]m[/red]" in lqo("list")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("ack", "failing_share", "nobody"), 1, "never alerted for 'nobody'"),
        (("ack", "failing_shar"), 1, "did you mean failing_share"),
        (("ack", "failing_share"), 1, "does not fire: it is pending"),
        (("show", "ffff"), 1, "there is no alert rule 'ffff'"),
        (("silence", "--until", "1h", "--reason", " "), 2, "reason: say something"),
        (("silence", "--until", "1h", "--reason", "x" * 2_000), 2, "at most 1,000"),
        (("silence", "--until", "2020-01-01", "--reason", "x"), 2, "future"),
        (("silence", "--until", "1h", "--start", "2h", "--reason", "x"), 2, "after starts_at"),
        (("silence", "--until", "1h", "--reason", "x", "--label", "team"), 2, "--label"),
        (("silence", "--until", "1h", "--reason", "x", "--severity", "loud"), 2, "severity: one of"),
        (("silence", "--until", "1h", "--reason", "x", "--rule", "judge_grade"), 1, "judge_grades"),
        (("mute", "*", "--until", "1h", "--reason", "x"), 2, "a mute is of one rule"),
        (("unmute", "judge_grade"), 1, "judge_grades"),
        (("unsilence", "00000000-0000-0000-0000-000000000000"), 1, "there is no silence"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    *, lqo: Lqo, alerts: Alerts, arguments: tuple[str, ...], code: int, says: str
) -> None:
    alerts.state("pending")
    with pytest.raises(UserError) as told:
        lqo(*arguments)
    assert (told.value.code, says in str(told.value)) == (code, True), str(told.value)
    assert "\n" not in str(told.value)
    assert alerts.count("actions") == 0
