"""What projects say reaches running proxies, and what cannot be carried out is refused."""

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest

from ingest.access.privacy import ProjectError
from ingest.access.project_rows import remove_project, set_project
from ingest.access.snapshot import ProjectRow
from ingest.database.connect import connect
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from tests.ingest.privacy.private_calls import ask, found_in, on_disk, send
from tests.ingest.running_proxy import Proxy, running_proxy
from tests.warm.python import warm_python


async def state_of_a_call(http: aiohttp.ClientSession, proxy: Proxy) -> str:
    before = set(proxy.calls())
    await send(http, proxy.url, ask("openai"), x_lqo_project="quiet")
    (call_id,) = set(proxy.calls()) - before
    return proxy.calls()[call_id].start.body_state


async def test_a_running_proxy_follows(
    tmp_path: Path, warehouse: DatabaseUrl, echo: str, http: aiohttp.ClientSession
) -> None:
    settings = replace(Settings(home=tmp_path / "home"), database_url=warehouse.libpq())
    with connect(warehouse, autocommit=True) as table:
        async with running_proxy(settings.home, echo, settings=settings) as proxy:
            assert await state_of_a_call(http, proxy) == "full"
            for keep in ("masked", "none", "text"):
                set_project(table, ProjectRow(project="quiet", keep=keep))
                async with asyncio.timeout(30):
                    while await state_of_a_call(http, proxy) != keep:
                        await asyncio.sleep(0.05)
            assert remove_project(table, "quiet")
            assert not remove_project(table, "quiet")
    # The last good snapshot serves a start without the database.
    await asyncio.to_thread(table_says_masked, warehouse)
    async with running_proxy(settings.home, echo, settings=settings) as proxy:
        assert await state_of_a_call(http, proxy) == "masked"
    alone = replace(settings, database_url=None)
    async with running_proxy(settings.home, echo, settings=alone) as proxy:
        assert await state_of_a_call(http, proxy) == "masked"


def table_says_masked(warehouse: DatabaseUrl) -> None:
    with connect(warehouse, autocommit=True) as table:
        set_project(table, ProjectRow(project="*", keep="masked"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ProjectRow(project="", keep="none"), "1 to 1024"),
        (ProjectRow(project="a\nb", keep="none"), "printable"),
        (ProjectRow(project="a", keep="masked", mask_kinds=("emial",)), "no kind emial"),
        (ProjectRow(project="a", keep="masked", mask_patterns={"x": "("}), "not RE2"),
        (ProjectRow(project="a", keep="text", mask_kinds=("email",)), "masks no text"),
        (ProjectRow(project="a", keep="full", mask_patterns={"x": "a"}), "masks no text"),
    ],
)
def test_a_wish_that_no_proxy_could_carry_out_is_refused(
    warehouse: DatabaseUrl, row: ProjectRow, said: str
) -> None:
    with connect(warehouse, autocommit=True) as table:
        with pytest.raises(ProjectError, match=said) as error:
            set_project(table, row)
        assert "\n" not in str(error.value)
        assert table.execute("select count(*) from access.projects").fetchone() == (0,)


def lqo(home: Path, warehouse: DatabaseUrl, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm_python("lqo"), "-m", "orchestration", "projects", *arguments],
        env={"LQO_HOME": str(home), "DATABASE_URL": warehouse.libpq(), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_line_sets_lists_and_removes(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    wish = (
        "set",
        "상담",
        "--keep",
        "masked",
        "--mask",
        "email",
        "--mask",
        "user_id",
        "--pattern",
        r"사번=\d{5}",
    )
    assert lqo(tmp_path, warehouse, *wish).stdout == "상담: masked\n"
    listed = lqo(tmp_path, warehouse, "list", "--format", "csv").stdout
    assert "상담,masked," in listed
    assert "user_id" in listed
    assert lqo(tmp_path, warehouse, "set", "상담", "--keep", "none").returncode == 0
    with connect(warehouse) as table:
        row = table.execute("select keep, mask_kinds, mask_patterns from access.projects").fetchall()
    assert row == [("none", [], {})]
    assert lqo(tmp_path, warehouse, "remove", "상담").returncode == 0
    again = lqo(tmp_path, warehouse, "remove", "상담")
    assert (again.returncode, again.stderr) == (1, "lqo: project 상담 has no row of its own\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "a"),
        ("set", "a", "--keep", "some"),
        ("set", "a", "--keep", "masked", "--mask", "name"),
        ("set", "a", "--keep", "masked", "--pattern", "no-equals-sign"),
        ("set", "a", "--keep", "masked", "--pattern", "x=(?<=a)b"),
        ("set", "a", "--keep", "masked", "--pattern", "x=a", "--pattern", "x=b"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    tmp_path: Path, warehouse: DatabaseUrl, arguments: tuple[str, ...]
) -> None:
    done = lqo(tmp_path, warehouse, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_mart_of_before_learns_what_was_kept(empty_database: DatabaseUrl) -> None:
    migrate(empty_database, revision="0008")
    ids = [UUID(f"019a52f8-0{n}00-7000-8000-000000000000") for n in range(2)]
    with connect(empty_database, autocommit=True) as table:
        table.execute("create table marts.calls (started_at timestamptz, call_id uuid)")
        for call_id, state in zip(ids, ("full", "masked"), strict=True):
            table.execute("select ingest.ensure_month(ingest.uuid7_time(%s)::date)", [call_id])
            table.execute(
                """
                insert into raw.llm_calls
                    (call_id, started_at, source, endpoint, provider, requested_model, status, body_state,
                     load_id, content_hash)
                values (%s, ingest.uuid7_time(%s), 'import', 'e', 'p', 'm', 'ok', %s, %s, '')
                """,
                [call_id, call_id, state, call_id],
            )
        table.execute("insert into marts.calls select started_at, call_id from raw.llm_calls")
    migrate(empty_database)
    with connect(empty_database) as table:
        found = table.execute("select body_state from marts.calls order by call_id").fetchall()
    assert found == [("full",), ("masked",)]


async def test_two_projects_with_the_same_user_hide_the_same_user(
    tmp_path: Path, echo: str, http: aiohttp.ClientSession
) -> None:
    settings = Settings(home=tmp_path, keep="none")
    async with running_proxy(tmp_path, echo, settings=settings) as proxy:
        for project in ("a", "b"):
            await send(http, proxy.url, ask("openai"), x_lqo_project=project)
        users = {call.start.observer["user_id"] for call in proxy.calls().values()}
        assert found_in(on_disk(tmp_path)) == []
    assert len(users) == 1
