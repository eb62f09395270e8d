"""Requests that two parsers could read differently: none is served, and none reaches the provider."""

import asyncio

import pytest

from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.raw_http import chat, connected, read_all, read_status, request, said_to, status_of
from tests.ingest.running_proxy import Proxy, until
from tests.ingest.upstream import ANSWER, Provider

CHUNKED = b"transfer-encoding: chunked"
END = b"0\r\n\r\n"
POST = f"POST {CHAT} ".encode()

LENGTHS = {
    "length and coding": request(b"content-length: 5", CHUNKED, body=END),
    "coding and length": request(CHUNKED, b"content-length: 5", body=END),
    "two lengths": request(b"content-length: 5", b"content-length: 6", body=b"hello"),
    "two equal lengths": request(b"content-length: 5", b"content-length: 5", body=b"hello"),
    "a list of lengths": request(b"content-length: 5, 5", body=b"hello"),
    "a signed length": request(b"content-length: +5", body=b"hello"),
    "a hexadecimal length": request(b"content-length: 0x5", body=b"hello"),
    "a length of other digits": request("content-length: ٥".encode(), body=b"hello"),
    "an empty length": request(b"content-length: ", body=b"hello"),
    "a length that overflows": request(b"content-length: 99999999999999999999", body=b"hello"),
    "a length in disguise": request(b"content_length: 5", b"content-length: 0"),
    "a coding in disguise": request(b"transfer_encoding: chunked", b"content-length: 5", body=b"hello"),
}
CODINGS = {
    "chunked, x": b"transfer-encoding: chunked, x",
    "x, chunked": b"transfer-encoding: x, chunked",
    "gzip, chunked": b"transfer-encoding: gzip, chunked",
    "identity": b"transfer-encoding: identity",
    "xchunked": b"transfer-encoding: xchunked",
    "chunked twice": b"transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    "identity, then chunked": b"transfer-encoding: identity\r\ntransfer-encoding: chunked",
    "with a parameter": b"transfer-encoding: chunked;q=1",
    "quoted": b'transfer-encoding: "chunked"',
    "behind a vertical tab": b"transfer-encoding: \x0bchunked",
    "folded": b"transfer-encoding:\r\n chunked",
    "a space before the colon": b"transfer-encoding : chunked",
}
LINES = {
    "an old line folding": request(b"x-a: b", b" c"),
    "bare LF": POST + b"HTTP/1.1\nhost: x\n\n",
    "one bare LF": POST + b"HTTP/1.1\r\nhost: x\nx-b: c\r\n\r\n",
    "a bare LF at the end": POST + b"HTTP/1.1\r\nhost: x\r\n\n",
    "a bare CR": POST + b"HTTP/1.1\r\nhost: x\rx-b: c\r\n\r\n",
    "NUL in a value": request(b"x-a: b\0c"),
    "NUL in a name": request(b"x-\0a: b"),
    "a control character": request(b"x-a: b\x01c"),
    "a name with a space": request(b"x a: b"),
    "a name that is not ASCII": request("x-é: b".encode()),
    "no colon": request(b"xyz"),
    "a space before the first header": POST + b"HTTP/1.1\r\n host: x\r\n\r\n",
    "no host": POST + b"HTTP/1.1\r\n\r\n",
    "two hosts": POST + b"HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
    "a host that is none": POST + b"HTTP/1.1\r\nhost: x/../y\r\n\r\n",
    "two keys": request(b"authorization: Bearer a", b"authorization: Bearer b"),
}
FIRST_LINES = {
    "two spaces": f"POST  {CHAT} HTTP/1.1".encode(),
    "two spaces later": f"POST {CHAT}  HTTP/1.1".encode(),
    "a tab": f"POST\t{CHAT}\tHTTP/1.1".encode(),
    "a small method": f"post {CHAT} HTTP/1.1".encode(),
    "HTTP/0.9": f"GET {CHAT}".encode(),
    "HTTP/1.10": f"POST {CHAT} HTTP/1.10".encode(),
    "RTSP": f"POST {CHAT} RTSP/1.1".encode(),
    "a fragment": f"POST {CHAT}#x HTTP/1.1".encode(),
    "another host's address": f"POST http://evil.example{CHAT} HTTP/1.1".encode(),
    "an authority": b"POST evil.example:80 HTTP/1.1",
    "a star": b"OPTIONS * HTTP/1.1",
    "no slash": b"POST v1/chat/completions HTTP/1.1",
    "not ASCII": "POST /v1/chat/completions/é HTTP/1.1".encode(),
    "a backslash": b"POST /v1\\chat HTTP/1.1",
    "dot segments": b"POST /v1/x/../chat/completions HTTP/1.1",
    "escaped dot segments": b"POST /v1/x/%2e%2E%2fchat/completions HTTP/1.1",
    "twice escaped dot segments": b"POST /v1/x/%252e%252e/chat/completions HTTP/1.1",
    "an escaped line break": b"POST /v1/x%0d%0ahost:%20y HTTP/1.1",
    "an escaped NUL": b"POST /v1/x%00 HTTP/1.1",
}
CHUNKS = {
    "a prefix": b"0x5\r\nhello\r\n",
    "a space": b" 5\r\nhello\r\n",
    "a space behind": b"5 \r\nhello\r\n",
    "a sign": b"+5\r\nhello\r\n",
    "a negative size": b"-5\r\nhello\r\n",
    "an underscore": b"0_5\r\nhello\r\n",
    "an overflow": b"FFFFFFFFFFFFFFFFF\r\nhello\r\n",
    "no size": b"\r\nhello\r\n",
    "LF behind the size": b"5\nhello\r\n",
    "LF behind the data": b"5\r\nhello\n",
    "no end of the data": b"5\r\nhello",
    "another end of the data": b"5\r\nhelloXX",
    "an empty extension": b"5;\r\nhello\r\n",
    "LF in an extension": b"5;a\nb\r\nhello\r\n",
    "NUL in an extension": b"5;a=\0\r\nhello\r\n",
    "a length among the trailers": b"0\r\ncontent-length: 5\r\n\r\nhello",
}


async def test_an_ambiguous_length_is_refused(proxy: Proxy, provider: Provider) -> None:
    await _are_refused(proxy, provider, LENGTHS)


async def test_only_chunked_is_a_transfer_coding(proxy: Proxy, provider: Provider) -> None:
    await _are_refused(proxy, provider, {name: request(line, body=END) for name, line in CODINGS.items()})


async def test_a_malformed_head_is_refused(proxy: Proxy, provider: Provider) -> None:
    await _are_refused(proxy, provider, LINES)


async def test_a_malformed_request_line_is_refused(proxy: Proxy, provider: Provider) -> None:
    first = {name: request(b"content-length: 0", line=line) for name, line in FIRST_LINES.items()}
    await _are_refused(proxy, provider, first)


async def test_a_malformed_chunk_is_refused(proxy: Proxy, provider: Provider) -> None:
    chunks = {name: request(CHUNKED, body=chunk + END) for name, chunk in CHUNKS.items()}
    await _are_refused(proxy, provider, chunks)


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"POST / HTTP/2.0", 505), (b"CONNECT evil.example:443 HTTP/1.1", 501), (b"BREW / HTTP/1.1", 501)],
)
async def test_other_versions_and_methods_are_named(proxy: Proxy, line: bytes, status: int) -> None:
    assert await status_of(proxy.url, request(line=line)) == status


async def test_what_is_well_formed_is_served(proxy: Proxy, provider: Provider) -> None:
    body = body_of("ok")
    pieces = b"".join(
        b"%x\r\n%s\r\n" % (len(body[at : at + 7]), body[at : at + 7]) for at in range(0, len(body), 7)
    )
    for data in (
        chat(),
        b"\r\n" + chat(),
        request(b"Transfer-Encoding: Chunked", body=pieces + END),
        request(CHUNKED, body=pieces.replace(b"\r\n", b';a="b"\r\n', 1) + END),
    ):
        assert await status_of(proxy.url, data) == 200
    assert provider.bodies == [body] * 4


async def test_a_trailer_is_no_header(proxy: Proxy, provider: Provider) -> None:
    body = body_of("ok")
    chunk = b"%x\r\n%s\r\n" % (len(body), body)
    trailers = b"0\r\nx-smuggled: 1\r\nx-lqo-project: other\r\nauthorization: Bearer other\r\n\r\n"
    assert await status_of(proxy.url, request(CHUNKED, body=chunk + trailers)) == 200
    assert provider.bodies == [body]
    assert not {"x-smuggled", "authorization"} & {name.lower() for name in provider.headers[0]}
    assert proxy.only_call().start.observer == {}


async def test_trailers_and_chunk_extensions_have_an_end(proxy: Proxy) -> None:
    many = b"0\r\n" + b"x-a: b\r\n" * 100
    assert await status_of(proxy.url, request(CHUNKED, body=many)) == 431
    assert await status_of(proxy.url, request(CHUNKED, body=b"1;a=" + b"x" * 300_000)) == 400


async def test_an_upgrade_is_ignored_and_its_body_read(proxy: Proxy, provider: Provider) -> None:
    java = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    async with connected(proxy.url) as (reader, writer):
        for _ in range(2):
            writer.write(chat("ok", *java))
            assert await read_status(reader) == 200
            await reader.readuntil(b"\n}")
    assert provider.bodies == [body_of("ok")] * 2
    assert not {"upgrade", "http2-settings", "x-lqo-u"} & {name.lower() for name in provider.headers[0]}


@pytest.mark.parametrize("is_later", [False, True])
async def test_a_pipelined_request_never_runs_and_the_first_one_is_answered_whole(
    proxy: Proxy, provider: Provider, is_later: bool
) -> None:
    async with connected(proxy.url) as (reader, writer):
        writer.write(chat("hang") if is_later else chat("hang") + chat("ok"))
        await until(lambda: len(provider.bodies) == 1)
        if is_later:
            writer.write(chat("ok"))
            await until(lambda: proxy.gate.wire.requests["pipelined"] == 1)
        provider.release.set()
        answer = await asyncio.wait_for(read_all(reader), 30)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert ANSWER.encode() in answer
    assert len(provider.bodies) == 1
    assert proxy.only_call().end is not None


async def test_a_broken_second_request_does_not_break_into_the_first_answer(
    proxy: Proxy, provider: Provider
) -> None:
    async with connected(proxy.url) as (reader, writer):
        writer.write(chat("stream-stall", stream=True) + b"\0garbage\r\n\r\n")
        await until(lambda: provider.streamed >= 3)
        provider.release.set()
        answer = await asyncio.wait_for(read_all(reader), 30)
    assert b" 400 " not in answer
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_a_head_may_come_byte_by_byte(proxy: Proxy, provider: Provider) -> None:
    data = chat()
    async with connected(proxy.url) as (reader, writer):
        for at in range(len(data)):
            writer.write(data[at : at + 1])
            await writer.drain()
        assert await read_status(reader) == 200
    assert provider.bodies == [body_of("ok")]


async def _are_refused(proxy: Proxy, provider: Provider, cases: dict[str, bytes]) -> None:
    """Each gets one 400 or 501, nothing behind it, and makes no call."""
    following = chat("smuggled")
    for name, data in cases.items():
        answer = await said_to(proxy.url, data + following)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), name
        assert answer.count(b"HTTP/1.1 ") == 1, name
        assert b"connection: close" in answer, name
        assert provider.bodies == [], name
    assert proxy.calls() == {}
    assert proxy.gate.wire.requests.total() == len(cases)
