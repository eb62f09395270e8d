"""One parser for every form a PostgreSQL URL comes in, and one renderer for each reader of it."""

import re
from dataclasses import dataclass, field, replace
from typing import Literal, NotRequired, TypedDict
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

DEFAULT_PORT = 5432
_DRIVER = re.compile(r"^(?:postgres|postgresql)(?:\+\w+)?://", re.IGNORECASE)
_SECRET_OPTIONS = frozenset({"sslpassword", "oauth_client_secret"})
_PLACEHOLDER = "***"


class DatabaseUrlError(ValueError):
    """The text is no PostgreSQL URL we can use; the message is one line and holds no password."""


class Parts(TypedDict):
    """What dbt's profile wants; `host` is a name, an address or a socket directory."""

    host: str
    port: int
    user: str
    password: str
    dbname: str
    sslmode: NotRequired[str]


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where a database is. An empty string leaves the choice to libpq, as leaving it out does.

    `host` is a TCP name or address (IPv6 without brackets) or an absolute socket directory.
    `options` are the other libpq keywords (`sslmode`, `options`, …), sorted by name.
    """

    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int = DEFAULT_PORT
    dbname: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def libpq(self) -> str:
        """The URL that `psql` and every libpq client accept."""
        host = f"[{self.host}]" if ":" in self.host else _encode(self.host)
        return (
            f"postgresql://{self._login()}{host}{self._port()}/{_encode(self.dbname)}{_query(self.options)}"
        )

    def psycopg(self) -> str:
        """The keyword form (`host=… dbname=…`) for `psycopg.connect`."""
        named = {"user": self.user, "password": self.password, "host": self.host, "dbname": self.dbname}
        given = {name: value for name, value in named.items() if value}
        return make_conninfo(**given, port=self.port, **dict(self.options))

    def sqlalchemy(self, driver: Literal["psycopg", "psycopg2"]) -> str:
        """The URL for `create_engine`.

        A socket directory stands in the query, where SQLAlchemy looks for it; so does a database
        whose name needs encoding, since SQLAlchemy 2.0 does not decode that part of the path.
        """
        where, path, query = f"{_bracketed(self.host)}{self._port()}", _encode(self.dbname), self.options
        if self.host.startswith(("/", "@")):
            where, query = "", (("host", self.host), ("port", str(self.port)), *query)
        if path != self.dbname:
            path, query = "", (("dbname", self.dbname), *query)
        return f"postgresql+{driver}://{self._login()}{where}/{path}{_query(query)}"

    def parts(self) -> Parts:
        """host, port, user, password and dbname apart (and sslmode where given), for dbt."""
        parts = Parts(
            host=self.host, port=self.port, user=self.user, password=self.password, dbname=self.dbname
        )
        sslmode = dict(self.options).get("sslmode")
        if sslmode:
            parts["sslmode"] = sslmode
        return parts

    def with_database(self, name: str) -> "DatabaseUrl":
        """The same server and login, another database."""
        return replace(self, dbname=name)

    def with_option(self, name: str, value: str) -> "DatabaseUrl":
        """The same database with one libpq keyword set."""
        kept = {**dict(self.options), name: value}
        return replace(self, options=tuple(sorted(kept.items())))

    def masked(self) -> str:
        """The URL for messages and logs: every secret is `***`."""
        options = tuple((name, _PLACEHOLDER if name in _SECRET_OPTIONS else v) for name, v in self.options)
        shown = replace(self, password=_PLACEHOLDER if self.password else "", options=options)
        return shown.libpq().replace(_encode(_PLACEHOLDER), _PLACEHOLDER)

    def _login(self) -> str:
        if not self.user and not self.password:
            return ""
        secret = f":{_encode(self.password)}" if self.password else ""
        return f"{_encode(self.user)}{secret}@"

    def _port(self) -> str:
        return f":{self.port}"


def parse_url(text: str) -> DatabaseUrl:
    """Read a URL (`postgres://`, `postgresql://`, `postgresql+psycopg://`) or a keyword DSN.

    libpq itself reads it, so that whatever `psql` accepts is accepted here, and nothing else.
    Raises DatabaseUrlError; its message never repeats the text, which holds a password.
    """
    text = text.strip()
    if not text:
        raise DatabaseUrlError("the database URL is empty")
    if "://" in text and not _DRIVER.match(text):
        raise DatabaseUrlError(f"not a PostgreSQL URL (it starts with {text.split('://')[0][:20]!r})")
    keywords = _keywords(_DRIVER.sub("postgresql://", text, count=1))
    host = keywords.pop("host", "")
    _refuse_bad_host(host)
    return DatabaseUrl(
        user=keywords.pop("user", ""),
        password=keywords.pop("password", ""),
        host=host,
        port=_port_number(keywords.pop("port", "")),
        dbname=keywords.pop("dbname", ""),
        options=tuple(sorted(keywords.items())),
    )


def _keywords(text: str) -> dict[str, str]:
    try:
        found = conninfo_to_dict(text)
    except psycopg.ProgrammingError as error:
        # libpq quotes the piece it stumbled on, which may be a piece of the password.
        reason = "" if "@" in text or "password" in text else f": {' '.join(str(error).split())}"
        hint = "write special characters in the password as %XX"
        raise DatabaseUrlError(f"the database URL does not parse ({hint}){reason}") from None
    return {name: str(value) for name, value in found.items() if value not in (None, "")}


def _refuse_bad_host(host: str) -> None:
    if "," in host:
        raise DatabaseUrlError("the database URL names several hosts; give one")
    if "@" in host[1:] and not host.startswith("/"):
        raise DatabaseUrlError("the database URL has two '@': write an '@' in the password as %40")


def _port_number(text: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise DatabaseUrlError("the port of the database URL must be a number from 1 to 65535")
    return int(text)


def _bracketed(host: str) -> str:
    is_ipv6 = ":" in host and not host.startswith("/")
    return f"[{host}]" if is_ipv6 else _encode(host)


def _encode(text: str) -> str:
    return quote(text, safe="")


def _query(options: tuple[tuple[str, str], ...]) -> str:
    if not options:
        return ""
    return "?" + "&".join(f"{name}={_encode(value)}" for name, value in options)
