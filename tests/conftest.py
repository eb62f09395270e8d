"""Fixtures that every room may use."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.embedded import EmbeddedServer, start_embedded
from ingest.database.migrate import migrate
from ingest.database.revision import head_revision
from ingest.database.url import DatabaseUrl, parse_url
from ingest.settings import Settings
from tests.warm.python import stop_all

REPOSITORY = Path(__file__).resolve().parent.parent
_TEMPLATE_LOCK = 0x6C716F_746D70  # "lqo tmp"
_MODELLED_LOCK = 0x6C716F_6D617274
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 3 << 30
_SERVER_NAME = "lqo-tests-"
_SERVER_FOLDER = "TESTS_SERVER_FOLDER"
_BY_FILE = ("dbt_project", "orchestration/bi", "orchestration/weekly", "reports/api")
"""Folders whose files fill a warehouse of their own: spread over workers, each would fill it again."""
_LONGEST = ("end_to_end", "dbt_project")

# An example may take its time on a busy machine, and a run finds what the one before it found:
# `--hypothesis-profile default` looks for new examples.
hypothesis.settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("steady")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = _place(item)
        if place.startswith(_BY_FILE) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(place))
    if "PYTEST_XDIST_WORKER" in os.environ:
        # What takes long must not begin last: one worker would be busy with it alone.
        items.sort(
            key=lambda item: (not _place(item).startswith(_LONGEST), not item.get_closest_marker("slow"))
        )


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(REPOSITORY / "tests").as_posix()


def pytest_configure() -> None:
    """Choose where all workers of the run have their server: in memory where there is room for it.

    A test's database is some 600 files. To make and drop them costs 0.4 s of CPU on a busy ext4, 0.03 s in
    memory, and some 1,500 tests do.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ.pop(_SERVER_FOLDER, None)
        _remove_dead_runs()
        if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES:
            os.environ[_SERVER_FOLDER] = tempfile.mkdtemp(prefix=f"{_SERVER_NAME}{os.getpid()}-", dir=_MEMORY)


def _remove_dead_runs() -> None:
    """Give back the memory of runs that were killed."""
    for folder in _MEMORY.glob(f"{_SERVER_NAME}*"):
        pid = folder.name.removeprefix(_SERVER_NAME).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)


def pytest_unconfigure() -> None:
    stop_all()
    if "PYTEST_XDIST_WORKER" not in os.environ and _SERVER_FOLDER in os.environ:
        shutil.rmtree(os.environ.pop(_SERVER_FOLDER), ignore_errors=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real prompts, answers, labels and traces; tests that need it skip without it."""
    folder = Path(os.environ.get("LQO_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the folder of real data is not here (set LQO_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer | None]:
    """One throwaway server for all workers of a run; None where LQO_TEST_DATABASE_URL names a real one."""
    if "LQO_TEST_DATABASE_URL" in os.environ:
        yield None
        return
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    running = start_embedded(Path(os.environ.get(_SERVER_FOLDER, shared / "postgres")), is_throwaway=True)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def maintenance_url(server: EmbeddedServer | None) -> DatabaseUrl:
    """A login that may create databases."""
    if server:
        return server.superuser_url
    return parse_url(os.environ["LQO_TEST_DATABASE_URL"])


@pytest.fixture(scope="session")
def owner_url(server: EmbeddedServer | None, maintenance_url: DatabaseUrl) -> DatabaseUrl:
    """The login that owns the databases of the tests; it is no superuser on the embedded server."""
    return server.url if server else maintenance_url


@pytest.fixture(scope="session")
def template(maintenance_url: DatabaseUrl, owner_url: DatabaseUrl) -> str:
    """A migrated, empty database that nobody is connected to; made once per server and revision."""
    name = f"lqo_template_{head_revision()}_{_fingerprint_of_migrations()}"
    with connect(maintenance_url, autocommit=True) as maintenance:
        maintenance.execute("select pg_advisory_lock(%s)", [_TEMPLATE_LOCK])
        if not maintenance.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            draft = f"{name}_draft"
            drop_database(maintenance, draft)
            create_database(maintenance, draft, owner=owner_url.user)
            migrate(owner_url.with_database(draft))
            rename = sql.SQL("alter database {} rename to {}")
            maintenance.execute(rename.format(sql.Identifier(draft), sql.Identifier(name)))
    return name


@pytest.fixture(scope="session")
def parsed_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dbt target folder with the project's manifest, shared by all workers of a run."""
    from orchestration.dbt import ensure_manifest

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    settings = Settings(home=shared / "parsed")
    settings.home.mkdir(exist_ok=True)
    ensure_manifest(settings)
    return settings.dbt_target


@pytest.fixture(scope="session")
def modelled_template(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, template: str, parsed_project: Path
) -> str:
    """A migrated database in which the views and the empty marts are built; made once per project."""
    from orchestration.dbt import ensure_views, project_hash

    name = f"{template}_{project_hash()[:12]}"
    with connect(maintenance_url, autocommit=True) as maintenance:
        maintenance.execute("select pg_advisory_lock(%s)", [_MODELLED_LOCK])
        if not maintenance.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            draft = f"{name}_draft"
            drop_database(maintenance, draft)
            create_database(maintenance, draft, owner=owner_url.user, template=template)
            ensure_views(Settings(home=parsed_project.parent), owner_url.with_database(draft))
            maintenance.execute(f'alter database "{draft}" rename to "{name}"')  # type: ignore[arg-type]
    return name


@pytest.fixture
def empty_database(maintenance_url: DatabaseUrl, owner_url: DatabaseUrl) -> Iterator[DatabaseUrl]:
    """A fresh database without a schema, dropped afterwards."""
    yield from fresh_database(maintenance_url, owner_url, template=None)


@pytest.fixture
def warehouse(maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, template: str) -> Iterator[DatabaseUrl]:
    """A fresh database at the newest revision, dropped afterwards."""
    yield from fresh_database(maintenance_url, owner_url, template=template)


@pytest.fixture
def connection(warehouse: DatabaseUrl) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection to the fresh warehouse; what is not committed is rolled back."""
    with connect(warehouse, application_name="tests") as opened:
        yield opened
        opened.rollback()


def create_database(
    maintenance: psycopg.Connection[TupleRow], name: str, *, owner: str, template: str | None = None
) -> None:
    statement = sql.SQL("create database {} owner {} template {}")
    names = (sql.Identifier(part) for part in (name, owner, template or "template0"))
    maintenance.execute(statement.format(*names))


def drop_database(maintenance: psycopg.Connection[TupleRow], name: str) -> None:
    maintenance.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def fresh_database(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, *, template: str | None
) -> Iterator[DatabaseUrl]:
    """A database of its own, dropped afterwards: for fixtures, by `yield from`."""
    name = f"lqo_test_{uuid4().hex}"
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=template)
    try:
        yield owner_url.with_database(name)
    finally:
        with connect(maintenance_url, autocommit=True) as maintenance:
            drop_database(maintenance, name)


def _fingerprint_of_migrations() -> str:
    """Changes when a migration file does, so that a long-lived server gets a new template."""
    digest = sha256()
    for path in sorted((REPOSITORY / "infra" / "migrations").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
