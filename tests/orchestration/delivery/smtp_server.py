"""A mail server that keeps what it is given: enough of RFC 5321, 3207 and 4954 for one client at a time."""

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(slots=True)
class Inbox:
    """What came in, and how the server is to behave."""

    certificate: ssl.SSLContext | None = None
    is_tls_at_once: bool = False
    password: str | None = None
    refused: frozenset[str] = frozenset()
    goodbye: bytes = b"221 bye"
    hangs_up: bool = False
    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


class _Session(socketserver.StreamRequestHandler):
    inbox: Inbox
    is_secure = False

    def setup(self) -> None:
        if self.inbox.certificate and self.inbox.is_tls_at_once:
            self.request = self.inbox.certificate.wrap_socket(self.request, server_side=True)
            self.is_secure = True
        super().setup()

    def finish(self) -> None:
        super().finish()
        # The server closes the socket that it accepted, which TLS has taken the place of.
        self.request.close()

    def handle(self) -> None:
        self._say(b"220 here")
        to: list[str] = []
        while line := self.rfile.readline():
            text = line.decode().strip()
            verb = text[:4].upper()
            self.inbox.seen.append(f"{'tls' if self.is_secure else 'open'} {text.partition(' ')[0].upper()}")
            match verb:
                case "EHLO":
                    self._greet()
                case "STAR" if self.inbox.certificate:
                    self._say(b"220 go ahead")
                    self.request = self.inbox.certificate.wrap_socket(self.request, server_side=True)
                    self.is_secure = True
                    super().setup()
                case "AUTH":
                    self._authenticate(text)
                case "RCPT":
                    address = text[text.index("<") + 1 : text.index(">")]
                    if address in self.inbox.refused:
                        self._say(b"550 nobody")
                    else:
                        to.append(address)
                        self._say(b"250 ok")
                case "DATA":
                    self._take(to)
                    if self.inbox.hangs_up:
                        return
                    self._say(b"250 taken")
                    to = []
                case "QUIT":
                    self._say(self.inbox.goodbye)
                    return
                case _:
                    self._say(b"250 ok")

    def _greet(self) -> None:
        self._say(b"250-here")
        if self.inbox.certificate and not self.is_secure:
            self._say(b"250-STARTTLS")
        if self.inbox.password is not None:
            self._say(b"250-AUTH PLAIN")
        self._say(b"250 8BITMIME")

    def _authenticate(self, text: str) -> None:
        said = base64.b64decode(text.split()[2]).decode().split("\0")[2]
        self._say(b"235 ok" if said == self.inbox.password else b"535 5.7.8 wrong")

    def _take(self, to: list[str]) -> None:
        self._say(b"354 go on")
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        found = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.inbox.messages.append(found)
        self.inbox.recipients.append(to)

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    def handle_error(self, *arguments: object) -> None:
        """A client that leaves in the middle of a handshake is what some tests are about."""


@contextmanager
def running(inbox: Inbox) -> Iterator[Inbox]:
    """The server on a free port of 127.0.0.1."""
    with _Server(("127.0.0.1", 0), type("Session", (_Session,), {"inbox": inbox})) as server:
        inbox.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield inbox
        finally:
            server.shutdown()
            thread.join()
