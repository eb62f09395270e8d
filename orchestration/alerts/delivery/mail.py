"""The mail server: its settings, one message over SMTP, and what came of it."""

import contextlib
import os
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path
from typing import Literal, get_args

from ingest.access.secrets import Missing, Secret, read_secret
from orchestration.alerts.delivery.channel import Reply

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


VARIABLES: Mapping[str, str] = {
    "host": "LQO_SMTP_HOST",
    "port": "LQO_SMTP_PORT",
    "tls": "LQO_SMTP_TLS",
    "user": "LQO_SMTP_USER",
    "password": "LQO_SMTP_PASSWORD",
    "ca": "LQO_SMTP_CA",
    "from": "LQO_MAIL_FROM",
    "to": "LQO_MAIL_TO",
}


def load_mail_settings(environ: Mapping[str, str] | None = None) -> MailSettings | None:
    """Read `LQO_SMTP_HOST`, `LQO_SMTP_PORT`, `LQO_SMTP_TLS` (starttls, tls, none), `LQO_SMTP_USER`,
    `LQO_SMTP_PASSWORD` (env:NAME or file:/path, never the password), `LQO_SMTP_CA`, `LQO_MAIL_FROM` and
    `LQO_MAIL_TO` (by commas). None without a host.

    Raises MailError for what cannot be used, as a password that would go over an open line.
    """
    env = os.environ if environ is None else environ
    given = {field: env.get(variable, "") for field, variable in VARIABLES.items()}
    return mail_settings(given, names=VARIABLES) if given["host"].strip() else None


def mail_settings(given: Mapping[str, str], *, names: Mapping[str, str]) -> MailSettings:
    """Settings from texts by field (host, port, tls, user, password, ca, from, to); empty is not given.

    `names` says how whoever wrote a field calls it. Raises MailError.
    """
    tls = _tls(given["tls"] or "starttls", name=names["tls"])
    host = given["host"].strip()
    if not host or not host.isprintable() or " " in host:
        raise MailError(f"{names['host']} must be the name of a mail server")
    user = given["user"] or None
    password = _password(given["password"], name=names["password"])
    if (user is None) != (password is None):
        raise MailError(f"{names['user']} and {names['password']} go together")
    if password is not None and tls == "none" and host not in LOOPBACK:
        raise MailError(f"{names['tls']}=none would send the password over an open line")
    return MailSettings(
        host=host,
        port=_port(given["port"], tls=tls, name=names["port"]),
        tls=tls,
        sender=_sender(given["from"], name=names["from"]),
        recipients=_recipients(given["to"], name=names["to"]),
        user=user,
        password=password,
        ca=_ca(given["ca"], name=names["ca"]),
    )


def send(settings: MailSettings, message: EmailMessage) -> Reply:
    """Send one message; never raises for what a server does. A broken line after the text is uncertain."""
    try:
        server = _connected(settings)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return _failed(error)
    try:
        if settings.user is not None and settings.password is not None:
            server.login(settings.user, settings.password.value)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        server.close()
        return _failed(error)
    try:
        refused = server.send_message(message)
        # It is sent: what a server says to a goodbye must not send it twice.
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return _failed(error, is_sending=True)
    finally:
        server.close()
    return Reply(250, _refused(refused) if refused else "", answer="accepted by the mail server")


def _failed(error: Exception, *, is_sending: bool = False) -> Reply:
    """What an error means for the next try: 550 to 554 stay what they are, a silence says nothing."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        is_final = all(_is_final(code) for code, _ in error.recipients.values())
        return Reply(0, _refused(error.recipients), is_final=is_final)
    if isinstance(error, smtplib.SMTPResponseException):
        is_final = is_sending and _is_final(error.smtp_code)
        return Reply(0, _line(f"{error.smtp_code} {error.smtp_error!r}"), is_final=is_final)
    is_uncertain = is_sending and isinstance(error, (smtplib.SMTPServerDisconnected, OSError))
    return Reply(0, _line(str(error) or type(error).__name__), is_uncertain=is_uncertain)


def _is_final(code: int) -> bool:
    return 550 <= code <= 554


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


def _tls(text: str, *, name: str) -> Tls:
    for mode in get_args(Tls):
        if text == mode:
            return mode
    raise MailError(f"{name} must be {', '.join(get_args(Tls))}, not {text!r}")


def _port(text: str, *, tls: Tls, name: str) -> int:
    if not text:
        return PORTS[tls]
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise MailError(f"{name} must be a port, not {text!r}")
    return int(text)


def _password(reference: str, *, name: str) -> Secret | None:
    if not reference:
        return None
    found = read_secret(reference)
    if isinstance(found, Missing):
        # Whoever put the password itself there must not find it in a log.
        raise MailError(f"{name}: {found.reason}")
    return found


def _ca(text: str, *, name: str) -> Path | None:
    if not text:
        return None
    path = Path(text)
    if not path.is_file():
        raise MailError(f"{name}: there is no file {text}")
    return path


def _sender(text: str, *, name: str) -> str:
    if not text.strip():
        raise MailError(f"{name} must be an address")
    (sender,) = _addresses(text, name=name)[:1]
    return sender


def _recipients(text: str, *, name: str) -> tuple[str, ...]:
    if not text.strip():
        raise MailError(f"{name} must be addresses, by commas")
    return _addresses(text, name=name)


def _addresses(text: str, *, name: str) -> tuple[str, ...]:
    """The addresses as they were given, with their names."""
    if not text.isprintable():
        raise MailError(f"{name} has characters that no address has")
    found = getaddresses([text])
    for _, address in found:
        before, at, after = address.rpartition("@")
        if not (before and at and after) or " " in address:
            raise MailError(f"{name} must be addresses such as team@example.com, not {text!r}")
    return tuple(f'"{called}" <{address}>' if called else address for called, address in found)


def _refused(recipients: Mapping[str, tuple[int, bytes]]) -> str:
    told = ", ".join(f"{address} ({code} {said!r})" for address, (code, said) in recipients.items())
    return _line(f"refused: {told}")


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
