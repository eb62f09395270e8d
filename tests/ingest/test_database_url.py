"""One parser reads every form of a database URL, and every renderer can be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from ingest.database.url import DatabaseUrl, DatabaseUrlError, parse_url

TEXT = st.text(
    st.one_of(
        st.sampled_from("@:/?#%& +='\"\\[]한글가é"),
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
    ),
    max_size=20,
)
NAME = TEXT.filter(bool)
TCP_HOST = st.sampled_from(["localhost", "127.0.0.1", "db.example.com", "::1", "fe80::1"])
SOCKET_FOLDER = TEXT.filter(lambda text: "," not in text).map(lambda text: "/" + text)
URLS = st.builds(
    DatabaseUrl,
    user=NAME,
    password=TEXT,
    host=st.one_of(TCP_HOST, SOCKET_FOLDER),
    port=st.integers(1, 65535),
    dbname=NAME,
    options=st.dictionaries(st.sampled_from(["application_name", "options", "sslmode"]), NAME).map(
        lambda options: tuple(sorted(options.items()))
    ),
)


@given(URLS)
def test_every_rendering_reads_back_as_the_same_url(url: DatabaseUrl) -> None:
    assert parse_url(url.libpq()) == url
    assert parse_url(url.psycopg()) == url
    assert parse_url(url.sqlalchemy("psycopg")) == url
    assert parse_url(url.sqlalchemy("psycopg2")) == url


@given(URLS)
def test_sqlalchemy_reads_the_same_login_and_place(url: DatabaseUrl) -> None:
    read = make_url(url.sqlalchemy("psycopg2"))
    assert read.drivername == "postgresql+psycopg2"
    options = dict(read.query)
    assert (read.username, read.password or "") == (url.user, url.password)
    assert options.pop("dbname", read.database) == url.dbname
    host, port = options.pop("host", read.host), options.pop("port", read.port)
    assert (host, int(str(port))) == (url.host, url.port)
    assert tuple(sorted(options.items())) == url.options


@given(URLS)
def test_dbt_gets_the_parts_apart(url: DatabaseUrl) -> None:
    parts = url.parts()
    assert (parts["host"], parts["port"], parts["user"]) == (url.host, url.port, url.user)
    assert (parts["password"], parts["dbname"]) == (url.password, url.dbname)


@given(URLS.filter(lambda url: len(url.password) > 3))
def test_neither_masked_nor_repr_shows_the_password(url: DatabaseUrl) -> None:
    shown = parse_url(url.masked())
    assert shown.password == "***"
    assert (shown.user, shown.host, shown.dbname) == (url.user, url.host, url.dbname)
    assert "password" not in repr(url)


@pytest.mark.parametrize(
    "text",
    [
        "postgres://me:p%40ss@db.example.com:6543/warehouse",
        "postgresql://me:p%40ss@db.example.com:6543/warehouse",
        "postgresql+psycopg://me:p%40ss@db.example.com:6543/warehouse",
        "postgresql+psycopg2://me:p%40ss@db.example.com:6543/warehouse",
        "POSTGRESQL://me:p%40ss@db.example.com:6543/warehouse",
        "postgresql://db.example.com:6543/warehouse?user=me&password=p%40ss",
        "host=db.example.com port=6543 user=me password=p@ss dbname=warehouse",
        "  host = db.example.com port = '6543' user=me password='p@ss' dbname=warehouse\n",
    ],
)
def test_every_form_names_the_same_tcp_server(text: str) -> None:
    assert parse_url(text) == DatabaseUrl("me", "p@ss", "db.example.com", 6543, "warehouse")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me@%2Frun%2Fpg%20%ED%95%9C:5433/warehouse",
        "postgresql:///warehouse?host=/run/pg%20%ED%95%9C&port=5433&user=me",
        "postgresql+psycopg://me@/warehouse?host=%2Frun%2Fpg%20%ED%95%9C&port=5433",
        "host='/run/pg 한' port=5433 user=me dbname=warehouse",
    ],
)
def test_every_form_names_the_same_socket_directory(text: str) -> None:
    url = parse_url(text)
    assert url == DatabaseUrl("me", "", "/run/pg 한", 5433, "warehouse")
    assert conninfo_to_dict(url.libpq())["host"] == "/run/pg 한"


def test_an_ipv6_address_stands_in_brackets_only_inside_a_url() -> None:
    url = parse_url("postgresql://me@[::1]:5433/warehouse?sslmode=require")
    assert (url.host, url.parts()["host"], url.parts().get("sslmode")) == ("::1", "::1", "require")
    assert "@[::1]:5433/" in url.libpq()


def test_what_is_left_out_stays_with_libpq() -> None:
    url = parse_url("postgresql://")
    assert url == DatabaseUrl()
    assert url.psycopg() == "port=5432"


def test_another_database_keeps_server_and_login() -> None:
    url = parse_url("postgresql://me:secret@h:1/a?sslmode=require").with_database("b")
    assert url.libpq() == "postgresql://me:secret@h:1/b?sslmode=require"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("mysql://me:secret@h/db", "not a PostgreSQL URL"),
        ("warehouse", "does not parse"),
        ("postgresql://me:secret%zz@h/db", "%XX"),
        ("postgresql://me:sec@ret@h/db", "%40"),
        ("postgresql://me:secret@h:0/db", "port"),
        ("postgresql://me:secret@h:99999/db", "port"),
        ("postgresql://me:secret@h:five/db", "port"),
        ("postgresql://me:secret@a,b/db", "several hosts"),
        ("postgresql://me:secret@h/db?bogus=1", "does not parse"),
        ("password=secret host", "does not parse"),
    ],
)
def test_what_is_no_url_gives_one_line_without_the_password(text: str, says: str) -> None:
    with pytest.raises(DatabaseUrlError) as caught:
        parse_url(text)
    message = str(caught.value)
    assert says in message
    assert "\n" not in message
    assert "secret" not in message and "ret@" not in message
