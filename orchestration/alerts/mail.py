"""E-mail as a channel of the outbox: one message over SMTP, and what came of it."""

import contextlib
import os
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, parseaddr
from pathlib import Path
from typing import Any, Literal, get_args

from ingest.access.secrets import Missing, Secret, read_secret
from orchestration.alerts.http import Reply

TIMEOUT_SECONDS = 10.0
# starttls: a plain connection that must turn to TLS before anything is said; tls: TLS from the first byte.
Tls = Literal["starttls", "tls", "none"]
PORTS: Mapping[Tls, int] = {"starttls": 587, "tls": 465, "none": 25}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class MailError(ValueError):
    """The settings of e-mail cannot be used; the message is one line and holds no secret."""


@dataclass(frozen=True, slots=True)
class MailSettings:
    """A server, how to speak to it, and from whom to whom; `ca` is a file of trusted certificates."""

    host: str
    port: int
    tls: Tls
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: Secret | None = field(default=None, repr=False)
    ca: Path | None = None


def load_mail_settings(environ: Mapping[str, str] | None = None) -> MailSettings | None:
    """Read `LQO_SMTP_HOST`, `LQO_SMTP_PORT`, `LQO_SMTP_TLS` (starttls, tls, none), `LQO_SMTP_USER`,
    `LQO_SMTP_PASSWORD` (env:NAME or file:/path, never the password), `LQO_SMTP_CA`, `LQO_MAIL_FROM` and
    `LQO_MAIL_TO` (by commas). None without a host.

    Raises MailError for what cannot be used, as a password that would go over an open line.
    """
    env = os.environ if environ is None else environ
    host = env.get("LQO_SMTP_HOST", "").strip()
    if not host:
        return None
    tls = _tls(env.get("LQO_SMTP_TLS") or "starttls")
    user, password = env.get("LQO_SMTP_USER") or None, _password(env.get("LQO_SMTP_PASSWORD"))
    if (user is None) != (password is None):
        raise MailError("LQO_SMTP_USER and LQO_SMTP_PASSWORD go together")
    if password is not None and tls == "none" and host not in LOOPBACK:
        raise MailError("LQO_SMTP_TLS=none would send the password over an open line")
    return MailSettings(
        host=host,
        port=_port(env.get("LQO_SMTP_PORT"), tls=tls),
        tls=tls,
        sender=_sender(env.get("LQO_MAIL_FROM", "")),
        recipients=_recipients(env.get("LQO_MAIL_TO", "")),
        user=user,
        password=password,
        ca=_ca(env.get("LQO_SMTP_CA")),
    )


def send_mail(url: str, *, body: object, headers: Mapping[str, str]) -> Reply:
    """Send the outbox's payload with the settings of this moment; never raises for what a server does.

    `url` says nothing: where to is in the environment, so that a rotated password or another recipient holds
    for what waits already. The idempotency key becomes the Message-ID, by which mail readers know a repeat.
    """
    if not isinstance(body, dict):
        return Reply(0, "the message is no mail")
    try:
        settings = load_mail_settings()
        if settings is None:
            return Reply(0, "LQO_SMTP_HOST is not set")
        return _send(settings, _message(settings, body, key=headers.get("Idempotency-Key", "")))
    except smtplib.SMTPRecipientsRefused as error:
        return Reply(0, _refused(error.recipients))
    except smtplib.SMTPResponseException as error:
        return Reply(0, _line(f"{error.smtp_code} {error.smtp_error!r}"))
    except (MailError, smtplib.SMTPException, OSError, ValueError) as error:
        return Reply(0, _line(str(error) or type(error).__name__))


def _message(settings: MailSettings, body: Mapping[str, Any], *, key: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    message["Subject"] = " ".join(str(body["subject"]).split())
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{key}@{parseaddr(settings.sender)[1].rpartition('@')[2]}>"
    # Keeps holiday notices and the like from answering (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(str(body["text"]))
    message.add_alternative(str(body["html"]), subtype="html")
    if attachment := body.get("attachment"):
        message.add_attachment(
            str(attachment["content"]).encode(),
            maintype="text",
            subtype="html",
            filename=str(attachment["name"]),
            params={"charset": "utf-8"},
        )
    return message


def _send(settings: MailSettings, message: EmailMessage) -> Reply:
    server = _connected(settings)
    try:
        if settings.user is not None and settings.password is not None:
            server.login(settings.user, settings.password.value)
        refused = server.send_message(message)
        # It is sent: what a server says to a goodbye must not send it twice.
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        server.close()
    return Reply(250, _refused(refused) if refused else "")


def _connected(settings: MailSettings) -> smtplib.SMTP:
    # smtplib would ask the name server for our full name, which takes seconds where there is none.
    name = socket.gethostname() if "." in socket.gethostname() else "[127.0.0.1]"
    if settings.tls == "tls":
        return smtplib.SMTP_SSL(
            settings.host, settings.port, name, timeout=TIMEOUT_SECONDS, context=_context(settings)
        )
    server = smtplib.SMTP(settings.host, settings.port, name, timeout=TIMEOUT_SECONDS)
    if settings.tls == "starttls":
        try:
            server.starttls(context=_context(settings))
        except BaseException:
            server.close()
            raise
    return server


def _context(settings: MailSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.ca)


def _tls(text: str) -> Tls:
    for mode in get_args(Tls):
        if text == mode:
            return mode
    raise MailError(f"LQO_SMTP_TLS must be {', '.join(get_args(Tls))}, not {text!r}")


def _port(text: str | None, *, tls: Tls) -> int:
    if not text:
        return PORTS[tls]
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise MailError(f"LQO_SMTP_PORT must be a port, not {text!r}")
    return int(text)


def _password(reference: str | None) -> Secret | None:
    if not reference:
        return None
    found = read_secret(reference)
    if isinstance(found, Missing):
        # Whoever put the password itself there must not find it in a log.
        raise MailError(f"LQO_SMTP_PASSWORD: {found.reason}")
    return found


def _ca(text: str | None) -> Path | None:
    if not text:
        return None
    path = Path(text)
    if not path.is_file():
        raise MailError(f"LQO_SMTP_CA: there is no file {text}")
    return path


def _sender(text: str) -> str:
    if not text.strip():
        raise MailError("LQO_MAIL_FROM must be an address")
    (sender,) = _addresses(text, variable="LQO_MAIL_FROM")[:1]
    return sender


def _recipients(text: str) -> tuple[str, ...]:
    if not text.strip():
        raise MailError("LQO_MAIL_TO must be addresses, by commas")
    return _addresses(text, variable="LQO_MAIL_TO")


def _addresses(text: str, *, variable: str) -> tuple[str, ...]:
    """The addresses as they were given, with their names."""
    if not text.isprintable():
        raise MailError(f"{variable} has characters that no address has")
    found = getaddresses([text])
    for _, address in found:
        before, at, after = address.rpartition("@")
        if not (before and at and after) or " " in address:
            raise MailError(f"{variable} must be addresses such as team@example.com, not {text!r}")
    return tuple(f'"{name}" <{address}>' if name else address for name, address in found)


def _refused(recipients: Mapping[str, tuple[int, bytes]]) -> str:
    told = ", ".join(f"{address} ({code} {said!r})" for address, (code, said) in recipients.items())
    return _line(f"refused: {told}")


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
