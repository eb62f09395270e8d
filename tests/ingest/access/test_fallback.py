"""Calls to an alias through the real proxy, its real table, and providers that fail as they are asked to."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import aiohttp
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.access.key_rows import create_key
from ingest.access.plans import AliasPlan
from ingest.access.prices import SnapshotPricer
from ingest.access.snapshot import ModelRow
from ingest.loader import run_loader
from ingest.proxy.surroundings import FreeGrant
from ingest.settings import Settings
from tests.ingest.access.conftest import SECRET
from tests.ingest.running_proxy import Proxy, running_proxy, until
from tests.ingest.upstream import USAGE, Provider, running_provider
from tests.local_servers import free_port

CHAT = "/v1/chat/completions"
Add = Callable[..., ModelRow]


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Provider, Provider]]:
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(running_provider()),
            await stack.enter_async_context(running_provider()),
        )


async def ask(
    http: aiohttp.ClientSession, proxy: Proxy, *, model: str = "fast", stream: bool = False
) -> tuple[int, bytes]:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "안녕 🎈"}]}
    headers = {"authorization": "Bearer sk-of-the-client-0123456789"}
    async with http.post(proxy.url + CHAT, json=body, headers=headers) as response:
        return response.status, await response.read()


def models_asked(provider: Provider) -> list[str]:
    return [json.loads(body)["model"] for body in provider.bodies]


def attempts_of(proxy: Proxy) -> list[tuple[Any, ...]]:
    end = proxy.only_call().end
    assert end is not None
    return [(each["model"], each["status"], each["error_type"]) for each in end.attempts]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
async def test_a_failing_status_goes_on_to_the_next_target_and_both_are_on_record(
    followed: Settings, add: Add, pair: tuple[Provider, Provider], http: aiohttp.ClientSession, status: int
) -> None:
    add(pair[0].url, f"status-{status}")
    add(pair[1].url, "ok")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        answered, body = await ask(http, proxy)
        assert (answered, json.loads(body)["model"]) == (200, "ok-2026")
        assert attempts_of(proxy) == [
            (f"status-{status}", status, f"http_{status}"),
            ("ok", 200, None),
        ]
        assert proxy.only_call().start.requested_model == "fast"
    sent = {name.lower(): value for name, value in pair[1].headers[0].items()}
    assert sent["authorization"] == f"Bearer {SECRET}"
    assert "sk-of-the-client" not in str(pair[1].headers)


@pytest.mark.parametrize(("failing", "usage"), [("billed-503", USAGE), ("billed-late-503", None)])
async def test_what_a_failed_attempt_says_it_used_is_on_record_if_it_says_it_at_once(
    followed: Settings,
    add: Add,
    pair: tuple[Provider, Provider],
    http: aiohttp.ClientSession,
    *,
    failing: str,
    usage: dict[str, int] | None,
) -> None:
    add(pair[0].url, failing)
    add(pair[1].url, "ok")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        assert (await ask(http, proxy))[0] == 200
        end = proxy.only_call().end
    assert end is not None
    assert [each.get("usage") for each in end.attempts] == [usage, None]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 425])
async def test_what_the_request_itself_is_to_blame_for_goes_nowhere_else(
    followed: Settings, add: Add, pair: tuple[Provider, Provider], http: aiohttp.ClientSession, status: int
) -> None:
    add(pair[0].url, f"status-{status}")
    add(pair[1].url, "ok")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        answered, body = await ask(http, proxy)
        assert (answered, json.loads(body)["error"]["message"]) == (status, "as you asked")
        assert attempts_of(proxy) == [(f"status-{status}", status, None)]
    assert pair[1].bodies == []


@pytest.mark.parametrize(
    ("model", "error"), [("reset", "upstream_error"), ("hang", "upstream_timeout"), (None, "upstream_error")]
)
async def test_no_answer_within_the_deadline_goes_on_to_the_next_target(
    followed: Settings,
    add: Add,
    pair: tuple[Provider, Provider],
    http: aiohttp.ClientSession,
    *,
    model: str | None,
    error: str,
) -> None:
    url = pair[0].url if model else f"http://127.0.0.1:{free_port()}"
    add(url, model or "gone", deadline_seconds=0.3 if model == "hang" else 60.0)
    add(pair[1].url, "stream-split")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        answered, body = await ask(http, proxy, stream=True)
        assert answered == 200
        assert body.endswith(b"data: [DONE]\n\n")
        assert attempts_of(proxy) == [(model or "gone", None, error), ("stream-split", 200, None)]


async def test_a_head_without_a_body_does_not_meet_the_deadline(
    followed: Settings, add: Add, pair: tuple[Provider, Provider], http: aiohttp.ClientSession
) -> None:
    add(pair[0].url, "head-only", deadline_seconds=0.3)
    add(pair[1].url, "ok")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        assert (await ask(http, proxy))[0] == 200
        assert attempts_of(proxy) == [("head-only", None, "upstream_timeout"), ("ok", 200, None)]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_after_the_first_byte_never_falls_back(
    followed: Settings, add: Add, pair: tuple[Provider, Provider], http: aiohttp.ClientSession, stream: bool
) -> None:
    model = "stream-reset" if stream else "half"
    add(pair[0].url, model, deadline_seconds=60.0)
    add(pair[1].url, "ok")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(http, proxy, stream=stream)
        assert attempts_of(proxy) == [(model, 200, "upstream_error")]
    assert pair[1].bodies == []


async def test_the_last_failure_is_the_clients_answer(
    followed: Settings, add: Add, pair: tuple[Provider, Provider], http: aiohttp.ClientSession
) -> None:
    add(pair[0].url, "reset")
    add(pair[1].url, "status-503")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        answered, body = await ask(http, proxy)
        assert (answered, json.loads(body)["error"]["message"]) == (503, "as you asked")
        assert attempts_of(proxy) == [("reset", None, "upstream_error"), ("status-503", 503, "http_503")]


async def test_a_client_that_leaves_gets_no_second_attempt(
    followed: Settings, add: Add, pair: tuple[Provider, Provider], http: aiohttp.ClientSession
) -> None:
    add(pair[0].url, "hang", deadline_seconds=1.0)
    add(pair[1].url, "ok")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        asking = asyncio.ensure_future(ask(http, proxy))
        await until(lambda: len(pair[0].bodies) == 1)
        asking.cancel()
        await until(lambda: proxy.only_call().end is not None)
        end = proxy.only_call().end
        assert end is not None
        assert end.status == "client_gone"
        assert attempts_of(proxy) == [("hang", None, "upstream_timeout")]
    assert pair[1].bodies == []


async def test_a_burst_of_failures_opens_the_breaker_and_costs_few_extra_calls(
    followed: Settings,
    add: Add,
    pair: tuple[Provider, Provider],
    http: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However slow this machine is, the breaker is open until the test has looked at it.
    monkeypatch.setattr("ingest.access.breaker.FIRST_OPEN_SECONDS", 600.0)
    monkeypatch.setattr("ingest.access.breaker.LONGEST_OPEN_SECONDS", 600.0)
    add(pair[0].url, "status-500")
    add(pair[1].url, "ok")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        statuses = Counter[int]()
        for _ in range(40):
            answers = await asyncio.gather(*(ask(http, proxy) for _ in range(5)))
            statuses.update(status for status, _ in answers)
        assert len(pair[0].bodies) + len(pair[1].bodies) <= 1.1 * 200
        assert statuses[200] >= 195
        await until_metric(http, proxy, 'breaker_state{target="fast/1"', 2.0)


async def test_when_all_fail_upstream_calls_stay_within_a_tenth_of_the_requests(
    followed: Settings, add: Add, pair: tuple[Provider, Provider], http: aiohttp.ClientSession
) -> None:
    add(pair[0].url, "status-500")
    add(pair[1].url, "status-500")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        for _ in range(40):
            answers = await asyncio.gather(*(ask(http, proxy) for _ in range(5)))
            assert {status for status, _ in answers} == {500}
        assert len(pair[0].bodies) + len(pair[1].bodies) <= 1.1 * 200
        assert len(proxy.calls()) == 200


async def test_retry_after_is_honoured_and_then_one_probe_brings_the_target_back(
    followed: Settings, add: Add, pair: tuple[Provider, Provider], http: aiohttp.ClientSession
) -> None:
    add(pair[0].url, "status-429")
    add(pair[1].url, "ok")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        began = time.monotonic()
        assert (await ask(http, proxy))[0] == 200
        async with asyncio.timeout(30):
            while len(pair[0].bodies) == 1:
                assert (await ask(http, proxy))[0] == 200
        assert time.monotonic() - began >= 1.0  # it said one second
        assert len(pair[0].bodies) == 2


async def test_one_probe_goes_to_a_target_that_was_left_alone(
    followed: Settings, add: Add, pair: tuple[Provider, Provider], http: aiohttp.ClientSession
) -> None:
    add(pair[0].url, "status-429")
    add(pair[1].url, "ok")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        await ask(http, proxy)
        pair[0].retry_after = "600"
        await asyncio.sleep(1.05)  # it said one second; no clock of ours can be turned here
        answers = await asyncio.gather(*(ask(http, proxy) for _ in range(20)))
        assert {status for status, _ in answers} == {200}
    assert len(pair[0].bodies) == 2


@pytest.mark.parametrize("part", ["cost", "read_usage", "settle", "ended"])
async def test_a_fault_in_the_accounting_costs_neither_the_answer_nor_its_end(
    followed: Settings,
    add: Add,
    pair: tuple[Provider, Provider],
    http: aiohttp.ClientSession,
    *,
    part: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_given: object, **_named: object) -> None:
        raise RuntimeError("a fault of ours")

    owner = {"cost": SnapshotPricer, "ended": AliasPlan}.get(part)
    if owner is not None:
        monkeypatch.setattr(owner, part, fail)
    if part == "settle":
        monkeypatch.setattr(FreeGrant, part, fail)
    if part == "read_usage":
        monkeypatch.setattr("ingest.proxy.settling.Settling._read_usage", fail)
    add(pair[0].url, "ok")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        assert (await ask(http, proxy))[0] == 200
        end = proxy.only_call().end
        assert end is not None
        assert end.status == "ok"
    assert "a fault of ours" in caplog.text


async def test_unknown_models_and_lists_of_a_key_are_its_own(
    followed: Settings,
    add: Add,
    pair: tuple[Provider, Provider],
    http: aiohttp.ClientSession,
    *,
    table: psycopg.Connection[TupleRow],
) -> None:
    add(pair[0].url, "ok")
    add(pair[0].url, "ok", alias="other")
    key = create_key(table, owner="a team", allowed_models=["fast"]).secret
    own = {"authorization": f"Bearer {key}"}
    with_keys = replace(followed, auth="keys")
    async with running_proxy(followed.home, pair[0].url, settings=with_keys) as proxy:
        async with asyncio.timeout(30):
            # The proxy serves before a slow database has told it of the key.
            while (listed := await _listed(http, proxy, headers=own)) is None:
                await asyncio.sleep(0.05)
        assert listed == ["fast"]
        async with http.get(f"{proxy.url}/v1/models/other", headers=own) as response:
            assert response.status == 404
        for model, status in (("fast", 200), ("other", 404), ("gpt-4o", 404)):
            body = {"model": model, "messages": []}
            async with http.post(proxy.url + CHAT, json=body, headers=own) as response:
                answer = await response.json()
                assert response.status == status, answer
        assert answer["error"]["code"] == "model_not_found"
        body = {"model": "gpt-4o", "messages": [], "max_tokens": 5}
        anthropic = {"x-api-key": key, "anthropic-version": "2023-06-01"}
        async with http.post(f"{proxy.url}/v1/messages", json=body, headers=anthropic) as response:
            assert response.status == 404
            assert (await response.json())["error"]["type"] == "not_found_error"
        async with http.get(f"{proxy.url}/v1/models") as response:
            assert response.status == 401
    assert len(pair[0].bodies) == 1
    assert key not in str(pair[0].headers)


async def _listed(http: aiohttp.ClientSession, proxy: Proxy, *, headers: dict[str, str]) -> list[str] | None:
    async with http.get(f"{proxy.url}/v1/models", headers=headers) as response:
        answer = await response.json()
        return [each["id"] for each in answer["data"]] if response.status == 200 else None


async def test_attempts_land_and_each_names_its_own_provider(
    followed: Settings,
    add: Add,
    pair: tuple[Provider, Provider],
    http: aiohttp.ClientSession,
    *,
    table: psycopg.Connection[TupleRow],
    warehouse: Any,
) -> None:
    add(pair[0].url, "status-503")
    add(pair[1].url, "ok", provider="mistral")
    async with running_proxy(followed.home, pair[0].url, settings=followed) as proxy:
        assert (await ask(http, proxy))[0] == 200
    await asyncio.to_thread(run_loader, followed, warehouse, once=True)
    row = table.execute(
        "select requested_model, served_model, provider, status, attempts from raw.llm_calls"
    ).fetchone()
    assert row is not None
    assert row[:4] == ("fast", "ok-2026", "mistral", "ok")
    first, second = row[4]
    assert (first["provider"], first["model"], first["status"]) == ("openai", "status-503", 503)
    assert (second["provider"], second["model"], second["status"]) == ("mistral", "ok", 200)
    assert first.get("usage") is None
    assert second["usage"]["total_tokens"] == 10


async def until_metric(http: aiohttp.ClientSession, proxy: Proxy, name: str, value: float) -> None:
    """Ask for the page, which is brought up to date every half second, until its one such line says so."""
    found: list[str] = []
    async with asyncio.timeout(30):
        while [float(line.rsplit(" ", 1)[1]) for line in found] != [value]:
            async with http.get(f"{proxy.url}/metrics") as response:
                found = [line for line in (await response.text()).splitlines() if name in line]
            await asyncio.sleep(0.05)
