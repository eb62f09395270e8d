"""An outbox of its own for each module, emptied before each test."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.conftest import create_database, drop_database


@pytest.fixture(scope="module")
def outbox_url(maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, template: str) -> Iterator[DatabaseUrl]:
    name = f"lqo_outbox_{uuid4().hex}"
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=template)
        yield owner_url.with_database(name)
        drop_database(maintenance, name)


@pytest.fixture
def outbox(outbox_url: DatabaseUrl) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection to an empty outbox."""
    with connect(outbox_url, application_name="tests") as opened:
        opened.execute(
            "truncate alerting.outbox, alerting.channel_pace, alerting.silences, alerting.events cascade"
        )
        opened.commit()
        yield opened
        opened.rollback()
