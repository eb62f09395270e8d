"""A running proxy follows the table of models, and does without the database."""

import asyncio
import json
import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.access import follower as follower_module
from ingest.access.follower import Follower
from ingest.access.models import add_model, enable_model, remove_model, set_model, switch_model
from ingest.access.snapshot import FILE, ModelRow, Snapshot, load_snapshot, save_snapshot
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from tests.ingest.access.conftest import SECRET
from tests.ingest.embedded_commands import StartServer
from tests.ingest.running_proxy import Proxy, running_proxy, until
from tests.ingest.upstream import Provider

CHAT = "/v1/chat/completions"
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
Add = Callable[..., ModelRow]


async def served(http: aiohttp.ClientSession, proxy: Proxy, *, model: str = "fast") -> tuple[int, str]:
    """Status and the model that answered."""
    async with http.post(proxy.url + CHAT, json={"model": model, "messages": []}) as response:
        answer = json.loads(await response.read())
        return response.status, answer.get("model", answer.get("error", {}).get("message", ""))


async def test_changes_reach_a_loaded_proxy_and_lose_no_request(
    followed: Settings,
    add: Add,
    table: psycopg.Connection[TupleRow],
    provider: Provider,
    http: aiohttp.ClientSession,
) -> None:
    add(provider.url, "one")
    add(provider.url, "two")
    seen: Counter[tuple[int, str]] = Counter()
    latest: list[str] = []
    is_over = asyncio.Event()

    async def client() -> None:
        while not is_over.is_set():
            status, model = await served(http, proxy)
            seen[status, model] += 1
            latest.append(model)

    async def becomes(model: str) -> None:
        await until(lambda: set(latest[-20:]) == {model})

    async with running_proxy(followed.home, provider.url, settings=followed) as proxy:
        clients = [asyncio.ensure_future(client()) for _ in range(8)]
        await becomes("one-2026")
        switch_model(table, "fast", model="two")
        await becomes("two-2026")
        enable_model(table, "fast", position=2, is_enabled=False)
        await becomes("one-2026")
        set_model(table, "fast", position=1, model="three")
        await becomes("three-2026")
        remove_model(table, "fast", position=1)
        enable_model(table, "fast", position=2, is_enabled=True)
        await becomes("two-2026")
        is_over.set()
        await asyncio.gather(*clients)
        assert {status for status, _ in seen} == {200}, seen
        calls = proxy.calls()
        assert len(calls) == sum(seen.values())
        assert all(call.end is not None and call.end.status == "ok" for call in calls.values())
    assert len(provider.bodies) == sum(seen.values())


async def test_a_proxy_starts_and_serves_from_its_last_good_state_while_the_database_is_down(
    followed: Settings, add: Add, provider: Provider, http: aiohttp.ClientSession
) -> None:
    add(provider.url, "one")
    async with running_proxy(followed.home, provider.url, settings=followed) as proxy:
        assert await served(http, proxy) == (200, "one-2026")
    path = followed.home / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET.encode() not in path.read_bytes()
    down = replace(followed, database_url=NOWHERE)
    async with running_proxy(followed.home, provider.url, settings=down) as proxy:
        assert await served(http, proxy) == (200, "one-2026")
        async with http.get(f"{proxy.url}/readyz") as response:
            assert response.status == 200


async def test_a_database_that_comes_back_is_followed_again(
    followed: Settings, table: psycopg.Connection[TupleRow], add: Add, maintenance_url: DatabaseUrl
) -> None:
    follower = Follower(followed, poll_seconds=0.02)
    versions: list[int] = []
    follower.listen(lambda snapshot: versions.append(len(snapshot.models)))
    await follower.start()
    try:
        assert versions == [0, 0]
        table.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and application_name like 'lqo proxy%%'"
        )
        add("http://127.0.0.1:9", "one")
        await until(lambda: versions[-1] == 1)
        assert follower.age_seconds is not None
    finally:
        follower.stop()


async def test_who_is_told_of_new_rows_finds_them_confirmed(followed: Settings, table: object) -> None:
    follower = Follower(followed, poll_seconds=60)
    ages: list[float | None] = []
    follower.listen(lambda _: ages.append(follower.age_seconds))
    await follower.start()
    follower.stop()
    assert len(ages) == 2
    assert ages[0] is None
    assert ages[1] is not None


async def test_a_database_that_is_slow_at_first_is_asked_again_before_anything_is_served(
    followed: Settings, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("http://127.0.0.1:9", "one")
    right, tries = follower_module._connect, list[Settings]()

    def slow_at_first(settings: Settings) -> object:
        tries.append(settings)
        if len(tries) == 1:
            raise TimeoutError("connection timeout expired")
        return right(settings)

    monkeypatch.setattr(follower_module, "_connect", slow_at_first)
    monkeypatch.setattr(follower_module, "_SLOW_SECONDS", 0.0)
    monkeypatch.setattr(follower_module, "_LONGEST_START", 60.0)
    follower = Follower(followed, poll_seconds=0.02)
    taken: list[int] = []
    follower.listen(lambda snapshot: taken.append(len(snapshot.models)))
    await follower.start()
    follower.stop()
    assert taken == [0, 1]


@pytest.mark.parametrize(("hours", "waits"), [(11, False), (13, True)])
async def test_only_who_has_something_to_serve_with_starts_before_the_database_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, *, waits: bool
) -> None:
    answers = threading.Event()
    monkeypatch.setattr(follower_module, "_LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(follower_module, "_LONGEST_START", 60.0)
    monkeypatch.setattr(follower_module, "_SLOW_SECONDS", 60.0)
    monkeypatch.setattr(follower_module, "_connect", lambda _: answers.wait(60) and None)
    save_snapshot(tmp_path, Snapshot(version=1))
    read_at = time.time() - hours * 3600
    os.utime(tmp_path / FILE, (read_at, read_at))
    follower = Follower(Settings(home=tmp_path))
    starting = asyncio.ensure_future(follower.start())
    if waits:
        await asyncio.sleep(0.2)
        assert not starting.done()
        answers.set()
    await starting
    assert answers.is_set() == waits
    answers.set()
    await asyncio.to_thread(follower.stop)


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": "x"}', b"\xff\x00" * 1000, b"[" * 100_000])
async def test_a_corrupt_file_is_put_aside_and_the_proxy_passes_through(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession, content: bytes
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / FILE).write_bytes(content)
    settings = replace(Settings(home=home), database_url=NOWHERE)
    async with running_proxy(home, provider.url, settings=settings) as proxy:
        assert await served(http, proxy, model="ok") == (200, "ok-2026")
    assert not (home / FILE).exists()
    assert (home / FILE).with_suffix(".broken").read_bytes() == content


async def test_without_a_server_nothing_is_started_and_a_running_one_is_attached_to(
    tmp_path: Path, start_server: StartServer
) -> None:
    settings = Settings(home=tmp_path / "home")
    follower = Follower(settings, poll_seconds=0.02)
    found: list[Snapshot] = []
    follower.listen(found.append)
    await follower.start()
    try:
        assert not settings.postgres.exists()
        assert follower.age_seconds is None
        server = await asyncio.to_thread(start_server, settings.postgres)
        await asyncio.to_thread(migrate, server.url)
        await until(lambda: found[-1].version > 0)
        await asyncio.to_thread(server.stop)
        assert found[-1].version > 0
    finally:
        follower.stop()
    assert load_snapshot(settings.home) == found[-1]


def test_a_snapshot_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_snapshot(tmp_path, Snapshot(version=1))

    def no_room(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="No space"):
        save_snapshot(tmp_path, Snapshot(version=2))
    found = load_snapshot(tmp_path)
    assert found is not None
    assert found.version == 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


async def test_a_listener_that_fails_keeps_its_state_and_stops_no_other(
    followed: Settings, add: Add, caplog: pytest.LogCaptureFixture
) -> None:
    add("http://127.0.0.1:9", "one")
    follower = Follower(followed, poll_seconds=0.02)
    taken: list[int] = []

    def refuse(snapshot: Snapshot) -> Snapshot:
        if snapshot.models:
            raise RuntimeError("cannot read this")
        return snapshot

    refused: list[int] = []
    follower.listen_prepared(refuse, lambda snapshot: refused.append(len(snapshot.models)))
    follower.listen(lambda snapshot: taken.append(len(snapshot.models)))
    await follower.start()
    follower.stop()
    assert (refused, taken) == ([0], [0, 1])
    assert "new access data could not be read everywhere" in caplog.text


async def test_two_spellings_of_a_protocol_in_one_alias_are_refused_by_the_table_itself(
    table: psycopg.Connection[TupleRow], add: Add
) -> None:
    add("http://127.0.0.1:9", "one")
    with pytest.raises(psycopg.errors.CheckViolation, match="speak different wire protocols"):
        table.execute(
            "insert into access.llm_models (alias, position, provider, wire, model, base_url)"
            " values ('fast', 2, 'anthropic', 'anthropic', 'm', 'https://x')"
        )
    add_model(table, "other", provider="anthropic", model="m")


def test_the_reader_sees_all_but_the_hashes_of_keys(
    table: psycopg.Connection[TupleRow], server: object
) -> None:
    if server is None:
        pytest.skip("the role lqo_reader is the embedded server's")
    grants = table.execute(
        "select has_table_privilege('lqo_reader', 'access.llm_models', 'select'),"
        " has_column_privilege('lqo_reader', 'access.api_keys', 'prefix', 'select'),"
        " has_column_privilege('lqo_reader', 'access.api_keys', 'secret_hash', 'select')"
    ).fetchone()
    assert grants == (True, True, False)
