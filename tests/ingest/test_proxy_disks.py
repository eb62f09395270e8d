"""The proxy on a disk that refuses: nothing is acknowledged that is not recorded, and service recovers."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from ingest.spool import large
from ingest.spool.room import Levels
from ingest.spool.writer import Spool
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.running_proxy import Proxy, calls_in
from tests.ingest.upstream import Provider


async def test_a_full_disk_refuses_calls_and_the_service_recovers(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    connection = proxy.writer._log._live._connection
    connection.execute("pragma max_page_count = 1")
    async with http.post(proxy.url + CHAT, data=body_of("ok", padding="x" * 9_000)) as response:
        assert response.status == 503
        answer = await response.json()
        assert answer["error"]["type"] == "spool_refused"
        assert "could not be logged" in answer["error"]["message"]
    assert provider.bodies == []
    async with http.get(f"{proxy.url}/metrics") as response:
        assert 'outcome="refused"} 1' in await response.text()
    connection.execute("pragma max_page_count = 1000000")
    async with http.post(proxy.url + CHAT, data=body_of("ok")) as response:
        assert response.status == 200
    assert len(proxy.calls()) == 1


async def test_an_answer_whose_end_cannot_be_written_is_not_completed(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "LARGE_BYTES", 1 << 30)
    connection = proxy.writer._log._live._connection
    provider.on_request = lambda body: connection.execute("pragma max_page_count = 1") and None
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.post(proxy.url + CHAT, data=body_of("large")) as response:
            await response.read()
    assert proxy.only_call().end is None
    connection.execute("pragma max_page_count = 1000000")
    proxy.writer.start_beating()
    assert proxy.only_call().end is not None


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE makes writes fail as we need it on Linux")
async def test_a_real_write_error_refuses_calls_and_the_next_segment_takes_them(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    async with killable_proxy(tmp_path, provider.url, before="limit_files(2_000_000)") as (url, _):
        statuses: list[int] = []
        async with asyncio.timeout(60):
            while statuses.count(200) < 60:
                async with http.post(url + CHAT, data=body_of("ok", padding="x" * 100_000)) as response:
                    statuses.append(response.status)
                    await response.read()
        assert set(statuses) <= {200, 503}
    completed = [call for call in calls_in(tmp_path / "spool").values() if call.end is not None]
    assert len(completed) >= statuses.count(200)


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/proc/mounts").exists(), reason="mounting needs root on Linux"
)
async def test_a_really_full_disk_is_a_503_until_there_is_room(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        spool = Spool(tmp_path / "probe", levels=Levels(shed=0, refuse=0))
        spool.close()
        before = (
            "import ingest.spool.writer as w; from ingest.spool.room import Levels;"
            " w.Spool.__init__.__kwdefaults__['levels'] = Levels(shed=0, refuse=0)"
        )
        async with killable_proxy(tmp_path, provider.url, before=before) as (url, _):
            statuses = await fill(http, url)
            assert statuses[0] == 200
            assert statuses[-1] == 503
            async with http.get(f"{url}/healthz") as response:
                assert response.status == 200
            subprocess.run(["mount", "-o", "remount,size=30m", str(tmp_path)], check=True)
            async with http.post(url + CHAT, data=body_of("ok", padding="x" * 100_000)) as response:
                assert response.status == 200
                await response.read()
        calls = calls_in(tmp_path / "spool")
        assert sum(call.end is not None for call in calls.values()) >= statuses.count(200) + 1
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=False)


async def fill(http: aiohttp.ClientSession, url: str) -> list[int]:
    """Send calls until one is refused; their statuses (0 for an answer that was broken off)."""
    statuses: list[int] = []
    while len(statuses) < 200 and 503 not in statuses:
        try:
            async with http.post(url + CHAT, data=body_of("ok", padding="x" * 100_000)) as response:
                await response.read()
                statuses.append(response.status)
        except aiohttp.ClientError:
            statuses.append(0)
    return statuses
