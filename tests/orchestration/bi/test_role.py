"""BI's login reads the marts, today's and tomorrow's, and nothing else."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.bi.role import ROLE, BiRoleError, ensure_bi_role

pytestmark = pytest.mark.xdist_group("lqo_bi")

Connection = psycopg.Connection[TupleRow]


@pytest.fixture
def owner(filled: DatabaseUrl) -> Iterator[Connection]:
    with connect(filled, autocommit=True) as connection:
        yield connection


def test_it_reads_every_mart(bi: Connection, owner: Connection) -> None:
    names = owner.execute("select table_name from information_schema.tables where table_schema = 'marts'")
    for (name,) in names.fetchall():
        bi.execute(f'select * from marts."{name}" limit 1')  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "relation",
    [
        "raw.llm_calls",
        "raw.llm_bodies",
        "evaluation.judgements",
        "cost.charges",
        "access.api_keys",
        "staging.stg_cost__charges",
    ],
)
def test_it_reads_nothing_else(bi: Connection, relation: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        bi.execute(f"select * from {relation} limit 1")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "statement",
    [
        "delete from marts.calls",
        "create table marts.mine (n integer)",
        "create table public.mine (n integer)",
        "create schema mine",
    ],
)
def test_it_writes_nothing_even_out_of_its_read_only_mode(bi: Connection, statement: str) -> None:
    bi.execute("set default_transaction_read_only = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        bi.execute(statement)  # pyright: ignore[reportArgumentType]


def test_it_begins_read_only_in_utc_and_gives_up_after_thirty_seconds(bi: Connection) -> None:
    settings = "select current_setting('default_transaction_read_only'), current_setting('statement_timeout')"
    assert bi.execute(settings).fetchone() == ("on", "30s")
    assert bi.execute("show timezone").fetchone() == ("UTC",)


def test_a_mart_that_is_made_later_is_read_too(bi: Connection, owner: Connection) -> None:
    owner.execute("create view marts.of_tomorrow as select 1 as n")
    try:
        assert bi.execute("select n from marts.of_tomorrow").fetchone() == (1,)
    finally:
        owner.execute("drop view marts.of_tomorrow")


def test_again_keeps_the_password(filled: DatabaseUrl, bi_url: DatabaseUrl) -> None:
    again = ensure_bi_role(filled, admin=filled)
    assert not again.is_new
    assert again.url.password == ""
    connect(bi_url).close()


def test_a_role_that_an_administrator_made_gets_its_settings(
    filled: DatabaseUrl, bi_url: DatabaseUrl, maintenance_url: DatabaseUrl
) -> None:
    with connect(maintenance_url, autocommit=True) as administrator:
        administrator.execute("alter role lqo_bi reset all")
    ensure_bi_role(filled, admin=maintenance_url.with_database(filled.dbname))
    with connect(bi_url) as connection:
        assert connection.execute("show default_transaction_read_only").fetchone() == ("on",)
        assert connection.execute("show statement_timeout").fetchone() == ("30s",)


def test_a_login_that_may_not_make_roles_says_what_to_do(
    filled: DatabaseUrl, bi_url: DatabaseUrl, owner: Connection
) -> None:
    can_make = owner.execute("select rolsuper or rolcreaterole from pg_roles where rolname = current_user")
    if can_make.fetchone() == (True,):
        pytest.skip("the tests' owner may make roles here")
    with pytest.raises(BiRoleError, match="have an administrator run `create role lqo_bi"):
        ensure_bi_role(filled, admin=filled, new_password=True)


def test_rights_beyond_the_marts_are_refused_by_name(
    filled: DatabaseUrl, bi_url: DatabaseUrl, owner: Connection
) -> None:
    owner.execute(f"grant usage on schema raw to {ROLE}; grant select on raw.llm_bodies to {ROLE}")
    try:
        with pytest.raises(BiRoleError, match=r"can also read raw\.llm_bodies"):
            ensure_bi_role(filled, admin=filled)
    finally:
        owner.execute(f"revoke all on raw.llm_bodies from {ROLE}; revoke usage on schema raw from {ROLE}")
