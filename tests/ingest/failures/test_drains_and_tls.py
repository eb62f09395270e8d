"""Stopping without cutting anybody off, TLS, and whose word about addresses counts."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ingest.proxy.protocol import Refused
from ingest.proxy.serving import ProxyError, Serving, parse_trusted_proxies
from ingest.proxy.web_server import config_of
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.raw_http import chat, connected, read_all, said_to, status_of
from tests.ingest.running_proxy import calls_in, running_proxy, until
from tests.ingest.upstream import ANSWER, Provider


async def test_a_drain_first_says_so_and_goes_on_serving(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    serving = "Serving(drain_delay_seconds=600.0)"
    async with killable_proxy(tmp_path, provider.url, serving=serving) as (url, process):
        async with http.get(f"{url}/readyz") as response:
            assert response.status == 200
        process.terminate()
        async with asyncio.timeout(30):
            while True:
                async with http.get(f"{url}/readyz") as response:
                    if response.status == 503:
                        assert "stopping" in await response.text()
                        break
        async with http.get(f"{url}/healthz") as response:
            assert response.status == 200
        assert await status_of(url, chat("ok", b"connection: close")) == 200
        process.terminate()  # a second time: who asks twice does not want to wait
        assert await asyncio.to_thread(process.wait, 60) == 0
    assert len(calls_in(tmp_path / "spool")) == 1


async def test_a_drain_ends_by_itself_after_its_delay(tmp_path: Path, provider: Provider) -> None:
    serving = "Serving(drain_delay_seconds=0.2)"
    async with killable_proxy(tmp_path, provider.url, serving=serving) as (_, process):
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0


async def test_a_kept_connection_is_told_to_close_while_its_stream_ends(
    tmp_path: Path, provider: Provider
) -> None:
    async with killable_proxy(tmp_path, provider.url) as (url, process), connected(url) as (reader, writer):
        writer.write(chat("stream-stall", stream=True))
        await reader.readuntil(b"\r\n\r\n")
        process.terminate()
        async with asyncio.timeout(30):
            while not await is_refused(url):
                await asyncio.sleep(0.02)
        provider.release.set()
        assert (await asyncio.wait_for(read_all(reader), 30)).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert await asyncio.to_thread(process.wait, 60) == 0


async def test_a_stream_longer_than_the_grace_is_cut_off_and_recorded(
    tmp_path: Path, provider: Provider
) -> None:
    serving = "Serving(grace_seconds=0.5)"
    async with killable_proxy(tmp_path, provider.url, serving=serving) as (url, process):
        answer = asyncio.ensure_future(said_to(url, chat("stream-stall", stream=True)))
        await until(lambda: provider.streamed >= 3)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0
        assert not (await answer).endswith(b"0\r\n\r\n")
    (call,) = calls_in(tmp_path / "spool").values()
    assert call.end is not None
    assert (call.end.status, call.end.error_type) == ("error", "proxy_stopped")
    assert not list((tmp_path / "spool").glob("*-wal"))


async def test_https_by_files(tmp_path: Path, provider: Provider) -> None:
    cert, key = self_signed(tmp_path)
    trusting = ssl.create_default_context(cafile=cert)
    async with running_proxy(tmp_path, provider.url, serving=Serving(tls_cert=cert, tls_key=key)) as proxy:
        assert proxy.url.startswith("https://127.0.0.1:")
        async with aiohttp.ClientSession() as http:
            async with http.post(proxy.url + CHAT, data=body_of("ok"), ssl=trusting) as response:
                assert response.status == 200
                assert ANSWER in await response.text()
            body = body_of("s", stream=True)
            async with http.post(proxy.url + CHAT, data=body, ssl=trusting) as response:
                assert (await response.read()).endswith(b"data: [DONE]\n\n")
            with pytest.raises(aiohttp.ClientError):
                await http.get(proxy.url.replace("https", "http") + "/healthz")
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get(f"{proxy.url}/healthz")
            # Neither a client that talks HTTP nor one that does not trust us harms the next.
            async with http.get(f"{proxy.url}/healthz", ssl=trusting) as response:
                assert response.status == 200


def test_tls_files_that_do_not_serve_are_one_line(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    _, other_key = self_signed(tmp_path / "other")
    Serving(tls_cert=cert, tls_key=key).check()
    for serving, reason in (
        (Serving(tls_cert=tmp_path / "none.pem"), "none.pem cannot be used for TLS: No such file"),
        (Serving(tls_cert=cert, tls_key=other_key), "no PEM certificate with its key"),
        (Serving(tls_cert=key), "no PEM certificate with its key"),
        (Serving(tls_key=key), "--tls-key needs --tls-cert"),
    ):
        with pytest.raises(ProxyError, match=reason):
            serving.check()


async def test_forwarded_addresses_count_only_from_trusted_proxies() -> None:
    headers = [(b"x-forwarded-for", b"203.0.113.9, 10.1.2.3"), (b"x-forwarded-proto", b"https")]
    assert await seen_client(headers, trusted="") == ("127.0.0.1", "http")
    assert await seen_client(headers, trusted="192.0.2.0/24") == ("127.0.0.1", "http")
    # From the right, past all that is trusted: what stands left of it the client may have made up.
    assert await seen_client(headers, trusted="127.0.0.1") == ("10.1.2.3", "https")
    assert await seen_client(headers, trusted="127.0.0.1, 10.0.0.0/8") == ("203.0.113.9", "https")


def test_trusted_proxies_are_addresses_or_networks() -> None:
    assert parse_trusted_proxies(" 10.0.0.0/8,::1 , ") == ("10.0.0.0/8", "::1")
    for text in ("*", "localhost", "10.0.0.0/99", "10.0.0"):
        with pytest.raises(ProxyError, match="LQO_TRUSTED_PROXIES takes addresses and networks"):
            parse_trusted_proxies(text)


async def seen_client(headers: list[tuple[bytes, bytes]], *, trusted: str) -> tuple[str, str]:
    """Address and scheme that the app gets of a request with these headers from 127.0.0.1."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["client"][0], scope["scheme"]))

    serving = Serving(trusted_proxies=parse_trusted_proxies(trusted))
    config = config_of(app, serving=serving, refused=Refused())
    config.load()
    scope = {"type": "http", "client": ("127.0.0.1", 5000), "scheme": "http", "headers": headers}
    await config.loaded_app(scope, None, None)  # type: ignore[arg-type]
    return seen[0]


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not here")
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


async def is_refused(url: str) -> bool:
    try:
        async with connected(url):
            return False
    except OSError:
        return True
