"""Which headers travel, which are recorded, and that a key is in no byte of the spool."""

import re

import aiohttp

from tests.ingest.proxy_calls import KEY, body_of, post
from tests.ingest.running_proxy import Proxy
from tests.ingest.upstream import Provider


async def test_the_key_is_forwarded_and_in_no_byte_of_the_spool(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    await post(http, proxy.url, body_of("ok"))
    await post(http, proxy.url, body_of("echo-key", user=KEY))
    await post(http, proxy.url, body_of("s", stream=True))
    assert [headers["Authorization"] for headers in provider.headers] == [f"Bearer {KEY}"] * 3
    everything = b"".join(path.read_bytes() for path in proxy.spool.iterdir())
    assert b"echo-key" in everything
    assert KEY.encode() not in everything
    assert b"session=secret" not in everything
    key_ids = {call.start.key_id for call in proxy.calls().values()}
    assert re.fullmatch(r"[0-9a-f]{64}", key_ids.pop() or "")
    assert not key_ids
    assert (proxy.home / "key.pepper").stat().st_mode & 0o777 == 0o600
    await post(http, proxy.url, body_of("ok"), authorization="Bearer another-key-of-some-length")
    assert len({call.start.key_id for call in proxy.calls().values()}) == 2


OBSERVER = {
    "x-lqo-project": ("project", "검색"),
    "x-lqo-environment": ("environment", "prod"),
    "x-lqo-user": ("user_id", "u-1"),
    "x-lqo-session": ("session_id", "s-1"),
    "x-lqo-trace": ("trace_id", "t-1"),
    "x-lqo-prompt-name": ("prompt_name", "greet"),
    "x-lqo-prompt-version": ("prompt_version", "3"),
    "x-lqo-tags": ("tags", '{"team": "a"}'),
}


async def test_observer_headers_are_recorded_and_not_forwarded(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    sent = {name: value for name, (_, value) in OBSERVER.items()}
    sent |= {"x-lqo-purpose": "replay", "x-lqo-unknown": "x", "x-other": "é", "openai-organization": "org"}
    await post(http, proxy.url, body_of("ok"), **sent)
    start = proxy.only_call().start
    assert start.observer == dict(OBSERVER.values())
    assert start.purpose == "replay"
    (headers,) = ({name.lower(): value for name, value in h.items()} for h in provider.headers)
    assert not [name for name in headers if name.startswith("x-lqo")]
    assert (headers["x-other"], headers["openai-organization"]) == ("é", "org")


async def test_an_unknown_purpose_is_product_and_a_traceparent_gives_the_trace(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await post(http, proxy.url, body_of("ok"), x_lqo_purpose="nonsense", traceparent=parent)
    start = proxy.only_call().start
    assert (start.purpose, start.observer) == (
        "product",
        {
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "parent_span_id": "b7ad6b7169203331",
        },
    )
    assert provider.headers[0]["traceparent"] == parent


async def test_hop_by_hop_headers_stop_at_the_proxy(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    hops = {
        "connection": "keep-alive, x-private",
        "x-private": "1",
        "te": "trailers",
        "proxy-authorization": "x",
    }
    _, headers, _ = await post(http, proxy.url, body_of("ok"), accept_encoding="gzip, br", **hops)
    (seen,) = ({name.lower(): value for name, value in h.items()} for h in provider.headers)
    assert not {"x-private", "te", "proxy-authorization"} & set(seen)
    assert seen["accept-encoding"] == "identity"
    assert seen["host"] == provider.url.removeprefix("http://")
    assert seen["content-length"] == str(len(body_of("ok")))
    assert "x-hop" not in headers
    assert headers["x-ratelimit-remaining-requests"] == "9"
    end = proxy.only_call().end
    assert end is not None
    assert end.response_headers["x-ratelimit-remaining-requests"] == "9"
    assert "set-cookie" not in end.response_headers


async def test_a_packed_answer_passes_packed(proxy: Proxy, http: aiohttp.ClientSession) -> None:
    _, headers, answer = await post(http, proxy.url, body_of("gzip"))
    assert headers["content-encoding"] == "gzip"
    assert answer.startswith(b"\x1f\x8b")
    end = proxy.only_call().end
    assert end is not None
    assert end.response_headers["content-encoding"] == "gzip"
