"""`lqo report weekly`: a file, or one line that says why not."""

from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from ingest.database.url import DatabaseUrl
from orchestration.cli import app
from orchestration.commands.errors import UserError
from tests.orchestration.weekly.conftest import MONDAY, Marts


@pytest.fixture
def home(
    marts: Marts, report_warehouse: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("LQO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", report_warehouse.libpq())
    for name in ("LQO_SMTP_HOST", "LQO_SLACK_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def weekly(*arguments: str) -> str:
    done = CliRunner().invoke(
        app, ["report", "weekly", *arguments], catch_exceptions=False, standalone_mode=False
    )
    if done.exception:
        raise done.exception
    return done.stdout


def test_the_page_is_where_it_was_asked_for(home: Path, tmp_path: Path, marts: Marts) -> None:
    marts.day(MONDAY, n=5)
    file = tmp_path / "한국어 report.html"
    assert "2026-W46, 5 calls" in weekly("--week", "2026-W46", "--out", str(file))
    first = file.read_text()
    assert first.startswith("<!doctype html>")

    weekly("--week", "2026-W46", "--out", str(tmp_path))
    assert (tmp_path / "weekly-2026-W46.html").exists()
    weekly("--week", "2026-W46")
    assert (home / "reports" / "weekly-2026-W46.html").exists()
    assert not list(tmp_path.rglob(".*.html")), "no draft is left"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--week", "2025-W53"), "there is no week 2025-W53"),
        (("--week", "last"), "such as 2026-W46"),
        (("--week", "2026-W46", "--out", "/no/such/folder/x.html"), "there is no folder /no/such/folder"),
        (("--week", "2026-W46", "--send"), "nowhere to send to"),
        (("--week", "9998-W01", "--send"), "nowhere to send to"),
    ],
)
@pytest.mark.usefixtures("home")
def test_bad_usage_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        weekly(*arguments)
    assert caught.value.code == 2


@pytest.mark.usefixtures("home")
def test_a_week_that_is_not_over_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LQO_SLACK_WEBHOOK_URL", "http://127.0.0.1:1/hook")
    with pytest.raises(UserError, match="not over"):
        weekly("--week", "9998-W01", "--send")


@pytest.mark.usefixtures("home")
def test_what_cannot_be_sent_waits_and_says_why(monkeypatch: pytest.MonkeyPatch, marts: Marts) -> None:
    monkeypatch.setenv("LQO_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("LQO_SMTP_TLS", "never")
    arguments = ["report", "weekly", "--week", "2026-W46", "--send"]
    done = CliRunner().invoke(app, arguments, standalone_mode=False)
    assert done.return_value == 1
    assert "email: not sent yet, will be tried again: LQO_SMTP_TLS must be" in done.stderr
    rows = waiting(marts.connection)
    assert [(channel, "LQO_SMTP_TLS" in error) for channel, error in rows] == [("email", True)]


def waiting(connection: psycopg.Connection) -> list[tuple[str, str]]:
    query = "select channel, last_error from alerting.outbox where sent_at is null"
    return [(str(channel), str(error)) for channel, error in connection.execute(query)]
