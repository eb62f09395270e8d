"""A database whose marts are filled, and BI's login to it."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.bi.role import ensure_bi_role
from tests.conftest import create_database, drop_database
from tests.orchestration.bi.filled import fill


@pytest.fixture(scope="module")
def filled(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[DatabaseUrl]:
    """A warehouse with rows in every mart, shared by a module's tests; the URL is the owner's."""
    name = f"lqo_bi_{uuid4().hex}"
    url = owner_url.with_database(name)
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=modelled_template)
        with connect(url) as connection:
            fill(connection)
        yield url
        drop_database(maintenance, name)


@pytest.fixture(scope="module")
def bi_url(filled: DatabaseUrl, maintenance_url: DatabaseUrl) -> DatabaseUrl:
    """BI's own login, freshly made: it must be enough for every panel."""
    admin = maintenance_url.with_database(filled.dbname)
    return ensure_bi_role(filled, admin=admin, new_password=True).url


@pytest.fixture
def bi(bi_url: DatabaseUrl) -> Iterator[psycopg.Connection[TupleRow]]:
    with connect(bi_url, autocommit=True, application_name="tests (bi)") as connection:
        yield connection
