"""`lqo alerts test|dead|retry` and `lqo sender`: a line each, and what waited for a file goes its way."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow
from typer.testing import CliRunner

from ingest.database.url import DatabaseUrl
from orchestration.alerts.delivery import service
from orchestration.alerts.delivery.channel import Reply
from orchestration.alerts.delivery.sender import send_waiting
from orchestration.alerts.delivery.service import run_sender
from orchestration.cli import app
from orchestration.commands.errors import UserError
from tests.orchestration.delivery.messages import Taking, alert, lay
from tests.orchestration.delivery.receiver import Receiver
from tests.orchestration.delivery.test_sender_process import wait_until

Connection = psycopg.Connection[TupleRow]

FILE = 'version: 1\nchannels:\n  - {{name: desk, type: webhook, url: "{url}"}}\ndefault: [desk]\n'


@pytest.fixture
def folder(outbox_url: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of channels.yaml."""
    monkeypatch.setenv("LQO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LQO_ALERTS", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", outbox_url.libpq())
    for name in ("LQO_SMTP_HOST", "LQO_SLACK_WEBHOOK_URL", "ALERTMANAGER_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    found = Receiver(tmp_path / "notes")
    found.start()
    yield found
    found.stop()


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout


def test_a_test_message_prints_what_the_receiver_said(folder: Path, receiver: Receiver) -> None:
    (folder / "channels.yaml").write_text(FILE.format(url=receiver.url))
    said = run("alerts", "test", "desk")
    assert said.startswith("desk: taken, 200 in ") and said.count("\n") == 1
    assert len(receiver.notes()) == 1
    receiver.stop()
    with pytest.raises(UserError, match=r"desk: not taken: .*refused"):
        run("alerts", "test", "desk")


def test_what_cannot_be_tested_is_a_line(folder: Path) -> None:
    with pytest.raises(UserError, match="no channel ops; there are none") as caught:
        run("alerts", "test", "ops")
    assert caught.value.code == 2
    (folder / "channels.yaml").write_text(FILE.replace("webhook", "webhok").format(url="x"))
    with pytest.raises(UserError, match=r"channels.yaml:3: channels\[0\].type: must be one of"):
        run("alerts", "test", "desk")
    with pytest.raises(UserError, match=r"channels.yaml:3"):
        run("sender", "--once")


def test_channels_are_listed_with_what_waits(folder: Path, outbox: Connection) -> None:
    (folder / "channels.yaml").write_text(FILE.format(url="https://desk.example/in"))
    lay(outbox, alert(), channels=("desk", "gone"))
    assert run("alerts", "channels", "--format", "csv").splitlines() == [
        "channel,type,per_minute,digest_above,n_waiting,n_dead,problem",
        "desk,webhook,,,1,0,",
        "gone,,,,1,0,is not there",
    ]
    (folder / "channels.yaml").write_text("version: 1\nchannels: []\ndefault: [a]\nreports: [b]\n")
    with pytest.raises(UserError, match=r"2 faults in channels\.yaml"):
        run("alerts", "channels")


def test_a_channel_says_what_its_messages_met_and_which_secret_is_missing(
    folder: Path, outbox: Connection
) -> None:
    (folder / "channels.yaml").write_text(FILE.format(url="https://desk.example/in"))
    lay(outbox, alert(), channels=("desk",))
    busy = Taking([Reply(503, "HTTP 503: busy")], name="desk")
    # Tried so late that it is not due again by itself, however long the commands take.
    send_waiting(outbox, channels=[busy], now=datetime.now(UTC) + timedelta(hours=1))
    assert run("alerts", "channels", "--format", "csv").splitlines()[1] == "desk,webhook,,,1,0,HTTP 503: busy"
    assert run("alerts", "retry", "--channel", "desk") == "0 put back, 1 of those that waited made due\n"
    (folder / "channels.yaml").write_text(FILE.format(url="env:LQO_TEST_IS_NOT_SET"))
    (line,) = run("alerts", "channels", "--format", "csv").splitlines()[1:]
    assert line == "desk,webhook,,,1,0,the environment variable LQO_TEST_IS_NOT_SET is not set"


def test_dead_letters_are_listed_put_back_and_sent(
    folder: Path, receiver: Receiver, outbox: Connection
) -> None:
    (folder / "channels.yaml").write_text(FILE.format(url=receiver.url))
    lay(outbox, alert(), alert(1), channels=("desk",))
    gone = Reply(410, "HTTP 410: gone", is_final=True)
    send_waiting(outbox, channels=[Taking([gone, gone], name="desk")])
    assert run("alerts", "dead", "--format", "csv").count("HTTP 410: gone") == 2
    assert run("alerts", "retry", "--channel", "mail") == "0 put back, 0 of those that waited made due\n"
    with pytest.raises(UserError, match="at least four letters"):
        run("alerts", "retry", "0%")
    assert run("alerts", "retry", _distinct_beginning()) == "1 put back, 0 of those that waited made due\n"
    assert run("alerts", "retry") == "1 put back, 0 of those that waited made due\n"
    assert run("sender", "--once") == "2 sent, 0 failed\n"
    with pytest.raises(UserError, match="nothing waits or was given up of"):
        run("alerts", "retry", str(alert().event_id))


def _distinct_beginning() -> str:
    """As much of the first event's id as tells it from the second's, in the other case."""
    first, second = str(alert().event_id), str(alert(1).event_id)
    length = next(n for n in range(4, 37) if first[:n] != second[:n])
    return first[:length].upper()


def test_a_sender_takes_up_a_file_that_is_put_right(
    folder: Path,
    outbox: Connection,
    outbox_url: DatabaseUrl,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.02)
    (folder / "channels.yaml").write_text("version: 1\nchannels: nothing")
    lay(outbox, alert(), channels=("unrouted",))
    channel, stop = Taking(name="desk"), threading.Event()
    thread = threading.Thread(
        target=run_sender,
        args=(outbox_url,),
        kwargs={"stop": stop, "environ": {"LQO_ALERTS": str(folder)}, "build": lambda *_: [channel]},
    )
    thread.start()
    try:
        wait_until(lambda: "channels.yaml:2" in caplog.text)
        assert channel.taken == []
        (folder / "channels.yaml").write_text(FILE.format(url="https://desk.example/in"))
        wait_until(lambda: len(channel.taken) == 1)
    finally:
        stop.set()
        thread.join()
    assert "alerts wait" in caplog.text
