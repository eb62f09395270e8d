"""Mail leaves by TLS or not at all, once, its texts whole; what goes wrong is a failed try in one line."""

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestration.alerts.delivery.channel import Parcel, Reply
from orchestration.alerts.delivery.channels import MailChannel
from orchestration.alerts.delivery.mail import MailError, load_mail_settings
from tests.orchestration.delivery.messages import alert
from tests.orchestration.delivery.smtp_server import Inbox, running

BODY: dict[str, Any] = {
    "subject": "LLM quality 2026-W46: 한국어 🙂 and a very long subject that is folded over several lines",
    "text": "한국어 🙂\n" + "long " * 400,
    "html": "<p>한국어 🙂</p>",
    "attachment": {"name": "weekly-2026-W46.html", "content": "<!doctype html><p>한국어 🙂</p>" + "x" * 3000},
}
KEY = "6f1c2f0e"
ADDRESSES = {"LQO_MAIL_FROM": "LQO <lqo@example.com>", "LQO_MAIL_TO": "a@example.com, Bé <b@example.com>"}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not here")
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def secure(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the environment of mail to a server of ours."""

    def settle(inbox: Inbox, **more: str) -> None:
        given = {"LQO_SMTP_HOST": "127.0.0.1", "LQO_SMTP_PORT": str(inbox.port), **ADDRESSES, **more}
        for name, value in given.items():
            monkeypatch.setenv(name, value)

    return settle


def send_mail(body: dict[str, Any]) -> Reply:
    return MailChannel("email").deliver(Parcel(KEY, ready=body))


def test_the_texts_and_the_page_arrive_whole(configure: Any) -> None:
    with running(Inbox()) as inbox:
        configure(inbox, LQO_SMTP_TLS="none")
        assert send_mail(BODY).is_ok
    [message], [to] = inbox.messages, inbox.recipients
    assert to == ["a@example.com", "b@example.com"]
    assert message["Subject"] == BODY["subject"]
    assert message["Message-ID"] == "<6f1c2f0e@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and text.get_content().replace("\r\n", "\n").strip() == BODY["text"].strip()
    assert html is not None and html.get_content().strip() == BODY["html"]
    [page] = message.iter_attachments()
    assert page.get_filename() == "weekly-2026-W46.html"
    assert page.get_content() == BODY["attachment"]["content"]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_the_password_goes_over_tls_alone(
    tls: str, secure: ssl.SSLContext, certificate: tuple[Path, Path], configure: Any, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret-value\n")
    inbox = Inbox(certificate=secure, is_tls_at_once=tls == "tls", password="s3cret-value")
    with running(inbox):
        configure(
            inbox,
            LQO_SMTP_TLS=tls,
            LQO_SMTP_CA=str(certificate[0]),
            LQO_SMTP_USER="lqo",
            LQO_SMTP_PASSWORD=f"file:{tmp_path / 'password'}",
        )
        assert send_mail(BODY).is_ok
    assert len(inbox.messages) == 1
    assert {step for step in inbox.seen if step.startswith("open")} <= {"open EHLO", "open STARTTLS"}


def test_a_server_without_tls_is_refused_where_tls_is_asked_for(configure: Any) -> None:
    with running(Inbox()) as inbox:
        configure(inbox)
        reply = send_mail(BODY)
    assert not reply.is_ok and "STARTTLS" in reply.detail
    assert not inbox.messages


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: ssl.SSLContext, configure: Any) -> None:
    with running(Inbox(certificate=secure)) as inbox:
        configure(inbox)
        reply = send_mail(BODY)
    assert not reply.is_ok and "certificate" in reply.detail
    assert not inbox.messages


def test_a_wrong_password_is_a_failed_try_that_does_not_tell_it(
    secure: ssl.SSLContext, certificate: tuple[Path, Path], configure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "another-s3cret")
    with running(Inbox(certificate=secure, password="right")) as inbox:
        configure(
            inbox,
            LQO_SMTP_CA=str(certificate[0]),
            LQO_SMTP_USER="lqo",
            LQO_SMTP_PASSWORD="env:MAIL_PASSWORD",
        )
        reply = send_mail(BODY)
        settings = load_mail_settings()
    assert reply.detail.startswith("535") and "s3cret" not in reply.detail
    assert "s3cret" not in repr(settings)


def test_one_refused_recipient_does_not_send_the_others_theirs_again(configure: Any) -> None:
    with running(Inbox(refused=frozenset({"b@example.com"}))) as inbox:
        configure(inbox, LQO_SMTP_TLS="none")
        reply = send_mail(BODY)
    assert reply.is_ok and "b@example.com (550" in reply.detail
    assert inbox.recipients == [["a@example.com"]]


def test_nobody_left_to_send_to_is_a_failed_try(configure: Any) -> None:
    with running(Inbox(refused=frozenset({"a@example.com", "b@example.com"}))) as inbox:
        configure(inbox, LQO_SMTP_TLS="none")
        assert not send_mail(BODY).is_ok
    assert not inbox.messages


def test_a_bad_goodbye_does_not_send_twice(configure: Any) -> None:
    with running(Inbox(goodbye=b"421 too busy to say goodbye")) as inbox:
        configure(inbox, LQO_SMTP_TLS="none")
        assert send_mail(BODY).is_ok


def test_a_subject_cannot_add_a_header(configure: Any) -> None:
    with running(Inbox()) as inbox:
        configure(inbox, LQO_SMTP_TLS="none")
        assert send_mail({**BODY, "subject": "a\r\nBcc: evil@example.com"}).is_ok
    [message], [to] = inbox.messages, inbox.recipients
    assert message["Bcc"] is None and "evil@example.com" not in to
    assert message["Subject"] == "a Bcc: evil@example.com"


def test_a_server_that_is_away_is_a_failed_try(configure: Any) -> None:
    configure(Inbox(port=1), LQO_SMTP_TLS="none")
    reply = send_mail(BODY)
    assert reply.status == 0 and reply.detail and "\n" not in reply.detail


def test_without_a_server_there_is_no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LQO_SMTP_HOST", raising=False)
    assert load_mail_settings({}) is None
    assert send_mail(BODY).detail == "LQO_SMTP_HOST is not set"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"LQO_SMTP_TLS": "ssl"}, "LQO_SMTP_TLS"),
        ({"LQO_SMTP_PORT": "0"}, "LQO_SMTP_PORT"),
        ({"LQO_SMTP_PORT": "٢٥"}, "LQO_SMTP_PORT"),
        ({"LQO_SMTP_USER": "lqo"}, "go together"),
        ({"LQO_SMTP_USER": "lqo", "LQO_SMTP_PASSWORD": "hunter2"}, "env:NAME"),
        ({"LQO_SMTP_USER": "lqo", "LQO_SMTP_PASSWORD": "env:LQO_NO_SUCH"}, "LQO_NO_SUCH"),
        ({"LQO_SMTP_USER": "u", "LQO_SMTP_PASSWORD": "env:PATH", "LQO_SMTP_TLS": "none"}, "open line"),
        ({"LQO_SMTP_CA": "/nowhere.pem"}, "LQO_SMTP_CA"),
        ({"LQO_MAIL_FROM": ""}, "LQO_MAIL_FROM"),
        ({"LQO_MAIL_TO": "nobody"}, "LQO_MAIL_TO"),
        ({"LQO_MAIL_TO": "a@example.com\nBcc: b@example.com"}, "LQO_MAIL_TO"),
    ],
)
def test_settings_that_cannot_be_used_say_which(given: dict[str, str], words: str) -> None:
    with pytest.raises(MailError, match=words) as caught:
        load_mail_settings({"LQO_SMTP_HOST": "mail.example.com", **ADDRESSES, **given})
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_each_way_has_its_port(tls: str, port: int) -> None:
    settings = load_mail_settings({"LQO_SMTP_HOST": "mail.example.com", "LQO_SMTP_TLS": tls, **ADDRESSES})
    assert settings is not None and (settings.tls, settings.port) == (tls, port)


def test_an_alert_arrives_with_its_picture(configure: Any) -> None:
    with running(Inbox()) as inbox:
        configure(inbox, LQO_SMTP_TLS="none")
        assert MailChannel("email").deliver(Parcel("k1", (alert(),), is_repeat=True)).is_ok
    [message] = inbox.messages
    assert message["Subject"] == "🔴 Firing: failing_share · g0 (possibly a repeat)"
    [picture] = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert picture.get_content().startswith(b"\x89PNG")


def test_a_refusal_for_good_is_final_and_a_silence_after_the_text_uncertain(configure: Any) -> None:
    with running(Inbox(refused=frozenset({"a@example.com", "b@example.com"}))) as inbox:
        configure(inbox, LQO_SMTP_TLS="none")
        assert send_mail(BODY).is_final
    with running(Inbox(hangs_up=True)) as inbox:
        configure(inbox, LQO_SMTP_TLS="none")
        assert send_mail(BODY).is_uncertain


def test_a_payload_that_is_no_mail_is_given_up(configure: Any) -> None:
    configure(Inbox(port=1), LQO_SMTP_TLS="none")
    assert send_mail({"text": "Slack blocks"}).is_final
