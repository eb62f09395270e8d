"""The real app over a real Postgres: one database a module, its marts filled by hand where the case is odd.

What the project's own models make of calls is read by tests/end_to_end/test_api.py.
"""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.alerts.actions.desk import AlertDesk
from orchestration.alerts.actions.role import ensure_actions_role
from reports.api.alerting_writer import AlertingWriter
from reports.api.app import build_app
from reports.api.doors import build_gate
from tests.conftest import create_database, drop_database
from tests.reports.api.rows import fill

LOCAL = "http://127.0.0.1"

Client = TestClient[Litestar]


@pytest.fixture(scope="module")
def marts(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[DatabaseUrl]:
    """Marts with the rows of `rows.py`; tests only read."""
    name = f"lqo_api_{uuid4().hex}"
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=modelled_template)
        url = owner_url.with_database(name)
        with connect(url) as connection:
            fill(connection)
        yield url
        drop_database(maintenance, name)


@pytest.fixture(scope="module")
def alerting(marts: DatabaseUrl, maintenance_url: DatabaseUrl) -> AlertingWriter:
    """What writes of alerts, on a login that may write nothing else."""
    admin = maintenance_url.with_database(marts.dbname)
    login = ensure_actions_role(marts, admin=admin)
    return AlertingWriter(login.psycopg(), AlertDesk(folder=None))


@pytest.fixture(scope="module")
def client(
    marts: DatabaseUrl, alerting: AlertingWriter, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A program on this machine, where no key is asked for."""
    with serving(marts, home=tmp_path_factory.mktemp("home"), alerting=alerting) as opened:
        yield opened


def serving(url: DatabaseUrl, *, home: Path, alerting: AlertingWriter | None = None) -> Client:
    """The API over `url` as `lqo up` runs it; without `alerting` nobody acts on alerts."""
    gate = build_gate(Settings(home=home), host="127.0.0.1")
    app = build_app(marts=url.psycopg(), receipts=url.psycopg(), gate=gate, alerting=alerting)
    return TestClient(app, base_url=LOCAL)
