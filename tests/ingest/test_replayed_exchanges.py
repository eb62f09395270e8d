"""Exchanges of real providers through the real proxy, spool and loader: bytes stay, rows say the same."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.loading.result import LoaderResult
from ingest.settings import Settings
from tests.ingest.recorded import SMALL, Recorded, recorded_exchanges
from tests.ingest.replayed_calls import Played, check_row, play, play_all, rows_of
from tests.ingest.running_proxy import Proxy, running_proxy
from tests.ingest.upstream import Provider

Connection = psycopg.Connection[TupleRow]
STREAMED = [exchange for exchange in SMALL if exchange.streams]


@pytest.fixture
async def front(settings: Settings, provider: Provider) -> AsyncIterator[Proxy]:
    """A proxy whose spool `load` drains."""
    async with running_proxy(settings.home, provider.url) as proxy:
        yield proxy


async def test_every_dialect_passes_verbatim_and_lands_whole(
    front: Proxy, http: aiohttp.ClientSession, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    played = await play_all(http, front.url, SMALL, styles=("plain", "stream", "array"))
    check_spool(played, front)
    assert load() == LoaderResult(landed=len(played))
    check(played, connection)
    rows = rows_of(connection)
    said = {each.exchange.name: rows[each.call_id] for each in played if each.style == "plain"}
    assert {name: row["input_text"] for name, row in said.items()} == {
        "chat": "이 사진은? 🎈",
        "chat-tools": "Weather in 서울?",
        "responses": "Hi",
        "embeddings": "하나\ntwo",
        "messages": "Look it up.",
        "messages-tools": "Weather?",
        "content": "이건?",
        "content-tools": "Weather?",
        "chat-error": "Hi",
        "messages-error": "Hi",
        "content-error": "Hi",
    }
    assert {name: (row["finish_reason"], row["provider"]) for name, row in said.items()} == {
        "chat": ("stop", "openai"),
        "chat-tools": ("tool_calls", "openai"),
        "responses": ("completed", "openai"),
        "embeddings": (None, "openai"),
        "messages": ("end_turn", "anthropic"),
        "messages-tools": ("tool_use", "anthropic"),
        "content": ("STOP", "google"),
        "content-tools": ("STOP", "google"),
        "chat-error": (None, "openai"),
        "messages-error": (None, "anthropic"),
        "content-error": (None, "google"),
    }


@pytest.fixture
def recorded(provider: Provider, shared_data: Path) -> list[Recorded]:
    """What was recorded with real providers; the simulated one can replay it."""
    exchanges = recorded_exchanges(shared_data)
    provider.exchanges |= {exchange.name: exchange for exchange in exchanges}
    return exchanges


async def test_recorded_exchanges_pass_verbatim_and_land_whole(
    front: Proxy,
    http: aiohttp.ClientSession,
    load: Callable[..., LoaderResult],
    connection: Connection,
    recorded: list[Recorded],
) -> None:
    played = await play_all(http, front.url, recorded, styles=("plain", "stream", "array"))
    check_spool(played, front)
    assert load() == LoaderResult(landed=len(played))
    check(played, connection)
    assert {exchange.wire for exchange in recorded} == {"openai", "anthropic", "gemini"}
    assert len(recorded) > 1200
    assert len(played) > 2600


@pytest.mark.parametrize("exchange", STREAMED, ids=lambda exchange: exchange.name)
@pytest.mark.parametrize("size", [1, 7])
async def test_a_stream_in_tiny_chunks_is_whole_at_the_client_and_in_the_spool(
    proxy: Proxy, http: aiohttp.ClientSession, exchange: Recorded, size: int
) -> None:
    played = await play(http, proxy.url, exchange, style="stream", chunk=size)
    assert played.body == played.expected_body
    assert proxy.only_call().response == b"".join(exchange.frames())


def check_spool(played: list[Played], proxy: Proxy) -> None:
    """The client got the provider's bytes, and the spool holds them, hidden usage included."""
    calls = {str(call_id): call for call_id, call in proxy.calls().items()}
    missing = [(each.exchange.path, each.status) for each in played if each.call_id not in calls]
    assert not missing
    for each in played:
        assert (each.status, each.body) == (each.exchange.status, each.expected_body), each.exchange.name
        exchange = each.exchange
        sent = (
            [exchange.response] if each.style == "plain" else exchange.frames(is_array=each.style == "array")
        )
        assert calls[each.call_id].response == b"".join(sent), exchange.name


def check(played: list[Played], connection: Connection) -> None:
    rows = rows_of(connection)
    assert len(rows) == len(played)
    wrong: list[str] = []
    for each in played:
        try:
            check_row(each, rows[each.call_id])
        except AssertionError as error:
            wrong.append(f"{each.exchange.name} {each.style} {each.exchange.path}: {error}")
    assert not wrong, f"{len(wrong)} rows: " + "\n".join(wrong[:10])
