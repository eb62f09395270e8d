"""Several workers on one port: a spool each, one supervisor, and nothing left when that dies."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.loading.result import LoaderResult
from ingest.proxy.server import ProxyError, run_proxy
from ingest.proxy.serving import Serving
from ingest.settings import Settings
from ingest.spool.folders import spool_folders
from ingest.spool.owner import LOCK, current_owner
from ingest.spool.writer import Spool
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.raw_http import chat, said_to, status_of
from tests.ingest.running_proxy import calls_in, until
from tests.ingest.upstream import Provider

TWO = "Serving(workers=2)"


async def test_each_worker_spools_for_itself_and_the_loader_of_the_home_takes_all(
    settings: Settings, provider: Provider, load: Callable[..., LoaderResult]
) -> None:
    root = settings.spool
    async with killable_proxy(settings.home, provider.url, serving=TWO) as (url, _):
        answered = await calls_until(url, lambda: len(busy(root)) == 2)
    assert spool_folders(root) == (root, root / "2")
    assert sum(len(calls_in(folder)) for folder in spool_folders(root)) == answered
    assert (await asyncio.to_thread(load)).landed == answered


async def test_a_left_behind_folder_is_adopted_with_the_spools_of_all_its_workers(
    settings: Settings, tmp_path: Path, provider: Provider, load: Callable[..., LoaderResult]
) -> None:
    async with killable_proxy(tmp_path / "other", provider.url, serving=TWO) as (url, process):
        answered = await calls_until(url, lambda: len(busy(tmp_path / "other" / "spool")) == 2)
        process.kill()
    assert (await asyncio.to_thread(lambda: load(adopt=tmp_path / "other" / "spool"))).landed == answered


async def test_a_worker_that_falls_is_started_again_and_loses_nothing_it_acknowledged(
    tmp_path: Path, provider: Provider
) -> None:
    root = tmp_path / "spool"
    async with killable_proxy(tmp_path, provider.url, serving=TWO) as (url, process):
        before = await calls_until(url, lambda: len(busy(root)) == 2)
        fallen = pid_of(root / "2")
        os.kill(fallen, signal.SIGKILL)
        await until(lambda: is_owned(root / "2") and pid_of(root / "2") != fallen)
        recorded = len(calls_in(root / "2"))
        after = await calls_until(url, lambda: len(calls_in(root / "2")) > recorded)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0
    assert sum(len(calls_in(folder)) for folder in spool_folders(root)) == before + after


async def test_whichever_worker_is_scraped_answers_for_all_of_them(
    tmp_path: Path, provider: Provider
) -> None:
    async with killable_proxy(tmp_path, provider.url, serving=TWO) as (url, _):
        answered = await calls_until(url, lambda: len(busy(tmp_path / "spool")) == 2)
        async with asyncio.timeout(60):
            # A worker's counts reach the others within a quarter of a second.
            while set((counted := await _counted(url)).values()) != {answered}:
                await asyncio.sleep(0.05)
    assert counted.keys() == {"llm_gateway_calls", "llm_gateway_requests"}


async def _counted(url: str) -> dict[str, float]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as response:
        page = await response.text()
    return {
        family.name: sum(sample.value for sample in family.samples if sample.name.endswith("_total"))
        for family in text_string_to_metric_families(page)
        if family.name in ("llm_gateway_calls", "llm_gateway_requests")
    }


async def test_no_worker_outlives_a_killed_supervisor(tmp_path: Path, provider: Provider) -> None:
    root = tmp_path / "spool"
    async with killable_proxy(tmp_path, provider.url, serving=TWO) as (url, process):
        pids = [pid_of(root), pid_of(root / "2")]
        process.kill()
        await until(lambda: not any(is_running(pid) for pid in pids))
        port = int(url.rsplit(":", 1)[1])
        socket.create_server(("127.0.0.1", port)).close()
    assert not is_owned(root)
    assert not is_owned(root / "2")


async def test_sigterm_lets_the_streams_of_all_workers_end(tmp_path: Path, provider: Provider) -> None:
    root = tmp_path / "spool"
    async with killable_proxy(tmp_path, provider.url, serving=TWO) as (url, process):
        said = (tmp_path / "run" / "proxy.json").read_text()
        assert f'"pid": {process.pid}' in said
        streams: list[asyncio.Task[bytes]] = []
        while len(busy(root)) < 2:
            streams.append(
                asyncio.ensure_future(said_to(url, chat("stream-stall", b"connection: close", stream=True)))
            )
            await until(lambda: len(provider.bodies) == len(streams))
        process.terminate()
        await until(lambda: is_refused(url))
        provider.release.set()
        assert all(answer.endswith(b"[DONE]\n\n\r\n0\r\n\r\n") for answer in await asyncio.gather(*streams))
        assert await asyncio.to_thread(process.wait, 60) == 0
    assert not (tmp_path / "run" / "proxy.json").exists()


def test_what_keeps_a_worker_from_starting_is_one_line(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    taken = Spool(settings.spool / "2")
    with pytest.raises(ProxyError, match="spool/2 is owned by another proxy"):
        run_proxy(settings=settings, on_ready=lambda url: None, serving=Serving(workers=2))
    taken.close()
    assert not is_owned(settings.spool)


def test_a_port_that_another_proxy_has_is_not_shared(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ProxyError, match="in use"):
            run_proxy(
                port=other.getsockname()[1],
                settings=Settings(home=tmp_path),
                on_ready=lambda url: None,
                serving=Serving(workers=2),
            )


async def calls_until(url: str, fact: Callable[[], bool]) -> int:
    """Make calls, each over a new connection, until `fact`; how many were answered."""
    answered = 0
    async with asyncio.timeout(60):
        while not fact():
            try:
                answered += await status_of(url, chat("ok", b"connection: close")) == 200
            except ConnectionRefusedError:
                continue
    return answered


def busy(root: Path) -> list[Path]:
    return [folder for folder in spool_folders(root) if calls_in(folder)]


def pid_of(folder: Path) -> int:
    return int((folder / LOCK).read_text().split()[1])


def is_owned(folder: Path) -> bool:
    return current_owner(folder) not in (None, "starting")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def is_refused(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return True
    return False
