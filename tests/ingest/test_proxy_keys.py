"""Keys of ours through the real proxy and a real Postgres: how they open, end, and hold without it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from ingest.access.key_rows import KeyRefusedError, create_key, revoke_key, rotate_key
from ingest.access.keys import hash_of
from ingest.access.snapshot import FILE, KeyRow, ModelRow, Snapshot, save_snapshot
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.proxy.server import ProxyError
from ingest.settings import Settings
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.running_proxy import Proxy, running_proxy
from tests.ingest.upstream import Provider

PROVIDERS_OWN = "sk-provider-secret-0123456789"


@asynccontextmanager
async def keyed_proxy(home: Path, provider: Provider, **given: object) -> AsyncIterator[Proxy]:
    settings = Settings(home=home, auth="keys", **given)  # pyright: ignore[reportArgumentType]
    async with running_proxy(home, provider.url, settings=settings) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def secret_of_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LQO_TEST_PROVIDER_KEY", PROVIDERS_OWN)


@pytest.fixture
def model(provider: Provider) -> ModelRow:
    """The alias `ok`, behind the provider's own secret."""
    return ModelRow(
        alias="ok",
        position=1,
        provider="openai",
        wire="openai",
        model="ok",
        base_url=f"{provider.url}/v1",
        secret_ref="env:LQO_TEST_PROVIDER_KEY",
    )


@pytest.fixture
def database(warehouse: DatabaseUrl, model: ModelRow) -> DatabaseUrl:
    """A warehouse that knows the alias."""
    with connect(warehouse) as connection:
        connection.execute(
            """
            insert into access.llm_models (alias, position, provider, wire, model, base_url, secret_ref)
            values (%s, %s, %s, %s, %s, %s, %s)
            """,
            [model.alias, 1, "openai", "openai", model.model, model.base_url, model.secret_ref],
        )
    return warehouse


async def ask(http: aiohttp.ClientSession, proxy: Proxy, key: str, **more: str) -> int:
    headers = {"authorization": f"Bearer {key}", **more}
    async with http.post(f"{proxy.url}{CHAT}", data=body_of("ok"), headers=headers) as response:
        await response.read()
        return response.status


async def becomes(http: aiohttp.ClientSession, proxy: Proxy, key: str, *, status: int) -> None:
    """Ask with the key until the proxy has heard what became of it."""
    async with asyncio.timeout(30):
        while await ask(http, proxy, key) != status:
            await asyncio.sleep(0.05)


async def test_keys_come_and_go_while_the_proxy_runs(
    tmp_path: Path, provider: Provider, database: DatabaseUrl
) -> None:
    home, url = tmp_path / "home", database.psycopg()
    async with keyed_proxy(home, provider, database_url=url) as proxy, aiohttp.ClientSession() as http:
        with connect(database, autocommit=True) as connection:
            key = create_key(connection, owner="김철수", project="챗봇")
            await becomes(http, proxy, key.secret, status=200)
            _, made = rotate_key(connection, key.prefix, overlap=timedelta(hours=1))
            await becomes(http, proxy, made.secret, status=200)
            assert await ask(http, proxy, key.secret) == 200
            revoke_key(connection, key.key_id)
            await becomes(http, proxy, key.secret, status=401)
            assert await ask(http, proxy, made.secret) == 200
            connection.execute("update access.api_keys set expires_at = now() + interval '1 second'")
            await becomes(http, proxy, made.secret, status=401)
    starts = [call.start for call in proxy.calls().values()]
    assert {start.key_id for start in starts} == {key.key_id, made.key_id}
    assert {start.observer["project"] for start in starts} == {"챗봇"}


async def test_a_key_without_overlap_ends_at_once(
    tmp_path: Path, provider: Provider, database: DatabaseUrl
) -> None:
    url = database.psycopg()
    with connect(database, autocommit=True) as connection:
        key = create_key(connection, owner="o", expires_at=datetime.now(UTC) + timedelta(days=30))
        async with (
            keyed_proxy(tmp_path / "home", provider, database_url=url) as proxy,
            aiohttp.ClientSession() as http,
        ):
            assert await ask(http, proxy, key.secret) == 200
            rotate_key(connection, key.key_id, overlap=timedelta())
            await becomes(http, proxy, key.secret, status=401)
        lives = connection.execute(
            "select distinct expires_at - created_at > interval '29 days' from access.api_keys"
        )
        assert lives.fetchall() == [(True,)]
        with pytest.raises(KeyRefusedError, match="was replaced"):
            rotate_key(connection, key.key_id, overlap=timedelta())
        with pytest.raises(KeyRefusedError, match="no key"):
            revoke_key(connection, "key_nobody")


def write_access(home: Path, key: str, model: ModelRow, *, confirmed_at: float | None = None) -> None:
    home.mkdir(parents=True, exist_ok=True)
    row = KeyRow(
        key_id="key_1",
        prefix="lqo_",
        secret_hash=hash_of(key.encode()),
        owner="o",
        created_at=datetime.now(UTC),
    )
    save_snapshot(home, Snapshot(version=1, taken_at_ns=time.time_ns(), keys=(row,), models=(model,)))
    if confirmed_at is not None:
        os.utime(home / FILE, (confirmed_at, confirmed_at))


async def test_no_key_of_a_client_reaches_the_provider_or_the_spool(
    tmp_path: Path, provider: Provider, model: ModelRow
) -> None:
    home, key = tmp_path / "home", "lqo_ours-0123456789abcdef"
    write_access(home, key, model)
    body = body_of("ok", user=key)
    sent = {"authorization": f"Bearer {key}", "x-api-key": "sk-theirs", "x-goog-api-key": key}
    async with (
        keyed_proxy(home, provider) as proxy,
        aiohttp.ClientSession() as http,
        http.post(f"{proxy.url}{CHAT}?key={key}", data=body, headers=sent) as response,
    ):
        assert response.status == 200
        await response.read()
    (seen,) = provider.headers
    assert seen["Authorization"] == f"Bearer {PROVIDERS_OWN}"
    assert not {"x-api-key", "x-goog-api-key", "api-key"} & {name.lower() for name in seen}
    assert key.encode() not in proxy.only_call().start.request
    files = b"".join(path.read_bytes() for path in proxy.spool.rglob("*") if path.is_file())
    assert key.encode() not in files
    assert PROVIDERS_OWN.encode() not in files


@pytest.mark.parametrize(("hours", "status"), [(11.9, 200), (12.1, 503)])
async def test_keys_live_twelve_hours_without_the_database_and_no_longer(
    tmp_path: Path, provider: Provider, model: ModelRow, hours: float, status: int
) -> None:
    home = tmp_path / "home"
    write_access(home, "lqo_a", model, confirmed_at=time.time() - hours * 3600)
    async with keyed_proxy(home, provider) as proxy, aiohttp.ClientSession() as http:
        assert await ask(http, proxy, "lqo_a") == status


async def test_a_flood_of_wrong_keys_refuses_no_right_one(
    tmp_path: Path, provider: Provider, model: ModelRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.access.strikes.WINDOW_SECONDS", 3600.0)
    home = tmp_path / "home"
    write_access(home, "lqo_right", model)
    n_right = 0
    counts: dict[int, int] = {}

    async def flood(http: aiohttp.ClientSession, proxy: Proxy, lane: int) -> None:
        for n in range(150):
            status = await ask(http, proxy, f"lqo_wrong-{lane}-{n}")
            counts[status] = counts.get(status, 0) + 1

    async with keyed_proxy(home, provider) as proxy, aiohttp.ClientSession() as http:
        flooding = [asyncio.ensure_future(flood(http, proxy, lane)) for lane in range(8)]
        while not all(task.done() for task in flooding):
            assert await ask(http, proxy, "lqo_right") == 200
            n_right += 1
        await asyncio.gather(*flooding)
    assert counts[401] == 100
    assert counts[429] == 8 * 150 - 100
    assert len(proxy.calls()) == n_right


async def test_without_keys_the_proxy_does_not_start_beyond_this_machine(
    tmp_path: Path, provider: Provider
) -> None:
    from ingest.proxy.server import serve_proxy

    settings = Settings(home=tmp_path / "home", auth="off")
    with pytest.raises(ProxyError, match="serves this machine alone"):
        await serve_proxy(host="0.0.0.0", settings=settings, upstream_base_url=provider.url)
