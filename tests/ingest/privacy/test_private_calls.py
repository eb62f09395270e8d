"""What of a call with personal data is on the disk, by what its project lets be kept."""

import asyncio
import json
from datetime import UTC, datetime

import aiohttp
import pytest

from ingest.call import Call
from ingest.loading.assembly import assemble
from ingest.proxy.bounds import Limits
from ingest.settings import Settings
from tests.ingest.privacy.conftest import OpenProxy
from tests.ingest.privacy.private_calls import (
    KEY,
    PROMPT,
    SECRETS,
    Ask,
    ask,
    found_in,
    on_disk,
    send,
)
from tests.ingest.running_proxy import Proxy, running_proxy, until

WIRES = (
    "openai",
    "openai-stream",
    "anthropic",
    "anthropic-stream",
    "gemini",
    "gemini-stream",
    "gemini-array",
)
MASKED = "[email], [phone], [card], [resident], [iban] 입니다 👋"


def landed(proxy: Proxy) -> Call:
    """The call as the loader makes it of its records."""
    call = proxy.only_call()
    return assemble(call.start, parts=call.parts, end=call.end)


@pytest.mark.parametrize("keep", ["masked", "none"])
@pytest.mark.parametrize("wire", WIRES)
async def test_nothing_unmasked_touches_the_disk(
    proxy_for: OpenProxy, http: aiohttp.ClientSession, keep: str, wire: str
) -> None:
    async with proxy_for(keep) as proxy:
        status, answer = await send(http, proxy.url, ask(wire))
        assert status == 200
        assert KEY[:3].encode() in answer
        call = landed(proxy)
        assert found_in(on_disk(proxy.home)) == []
    assert found_in(on_disk(proxy.home)) == []
    assert call.body_state == keep
    assert call.served_model == "m-2026"
    assert call.finish_reason is not None
    assert call.usage is not None
    assert {7, 3} <= set(call.usage.values())
    # Anthropic's streams say their usage in two objects, which are no one thing as received.
    assert (call.usage_raw is None) == (wire == "anthropic-stream")
    assert call.requested_model == "m"
    if keep == "none":
        assert (call.request, call.response, call.input_text, call.output_text) == (None, None, None, None)
        return
    assert call.input_text == f"저는 홍길동, {MASKED}"
    assert call.output_text is not None
    assert MASKED in call.output_text
    assert call.request is not None
    assert MASKED in call.request.decode()
    assert (call.response is None) == ("-" in wire)


@pytest.mark.parametrize("wire", ["openai", "anthropic", "gemini"])
async def test_an_error_that_repeats_the_prompt_is_masked(
    proxy_for: OpenProxy, http: aiohttp.ClientSession, wire: str
) -> None:
    async with proxy_for("masked") as proxy:
        status, _ = await send(http, proxy.url, ask(wire, model="refuse"))
        assert status == 400
        call = landed(proxy)
        assert found_in(on_disk(proxy.home)) == []
    assert call.status == "error"
    assert call.error_type in ("invalid_request_error", "INVALID_ARGUMENT", "400")
    assert call.error_message is not None
    assert MASKED in call.error_message


async def test_an_error_leaves_no_words_where_only_metadata_are_kept(
    proxy_for: OpenProxy, http: aiohttp.ClientSession
) -> None:
    async with proxy_for("none") as proxy:
        await send(http, proxy.url, ask("openai", model="refuse"))
        call = landed(proxy)
        assert "홍길동".encode() not in on_disk(proxy.home)
    assert (call.status, call.error_type, call.error_message) == ("error", "invalid_request_error", None)


@pytest.mark.parametrize("wire", WIRES)
async def test_text_alone_is_kept_as_it_was_said(
    proxy_for: OpenProxy, http: aiohttp.ClientSession, wire: str
) -> None:
    async with proxy_for("text") as proxy:
        await send(http, proxy.url, ask(wire))
        call = landed(proxy)
        assert found_in(on_disk(proxy.home), secrets=(KEY,)) == []
    assert (call.body_state, call.request, call.response) == ("text", None, None)
    assert call.input_text == PROMPT
    assert call.output_text is not None
    assert SECRETS[0] in call.output_text
    assert "key: " in call.output_text


@pytest.mark.parametrize("wire", ["openai", "gemini"])
async def test_the_clients_key_is_cut_out_of_what_is_kept_whole(
    proxy_for: OpenProxy, http: aiohttp.ClientSession, wire: str
) -> None:
    asked = ask(wire, prompt=f"my key is {KEY}")
    async with proxy_for("full") as proxy:
        _, answer = await send(http, proxy.url, asked)
        assert KEY.encode() in answer or wire == "gemini"
        call = landed(proxy)
        assert found_in(on_disk(proxy.home), secrets=(KEY,)) == []
    assert call.input_text == "my key is [key]"
    assert call.body_state == "full"


async def test_what_came_beside_a_call_is_masked_and_its_user_stays_one(
    proxy_for: OpenProxy, http: aiohttp.ClientSession
) -> None:
    async with proxy_for("masked") as proxy:
        await send(http, proxy.url, ask("openai"))
        await send(http, proxy.url, ask("openai"), x_lqo_user="lee@naver.com")
        await send(http, proxy.url, ask("openai"), x_lqo_user="user-7")
        calls = [call.start.observer for call in proxy.calls().values()]
    assert json.loads(calls[0]["tags"]) == {"who": "[email]", "team": "a"}
    assert calls[0]["session_id"] == "call [phone]"
    assert calls[0]["prompt_name"] == "greet [resident]"
    assert calls[0]["trace_id"] == "[card]"
    assert calls[0]["user_id"].startswith("u-")
    assert calls[0]["user_id"] != calls[1]["user_id"]
    assert calls[2]["user_id"] == "user-7"


@pytest.mark.parametrize("keep", ["full", "text", "masked", "none"])
async def test_a_project_may_hide_its_users_whatever_else_it_keeps(
    proxy_for: OpenProxy, http: aiohttp.ClientSession, keep: str
) -> None:
    async with proxy_for(keep, mask_kinds=("user_id",)) as proxy:
        for user in ("user-7", "user-7", "user-8"):
            await send(http, proxy.url, ask("openai", prompt="hi"), x_lqo_user=user)
        users = [call.start.observer["user_id"] for call in proxy.calls().values()]
        assert b"user-7" not in on_disk(proxy.home)
    assert users[0] == users[1] != users[2]


async def test_patterns_of_the_project_are_masked_by_their_name(
    proxy_for: OpenProxy, http: aiohttp.ClientSession
) -> None:
    patterns = {"사번": r"사번 ?\d+"}
    async with proxy_for("masked", mask_kinds=("phone",), mask_patterns=patterns) as proxy:
        await send(http, proxy.url, ask("openai-stream", prompt="사번 1234, 010-1234-5678, a@b.kr"))
        call = landed(proxy)
    assert call.input_text == "[사번], [phone], a@b.kr"
    assert call.output_text is not None
    assert "[사번], [phone], a@b.kr" in call.output_text


async def test_only_the_project_that_wishes_it_is_masked(
    proxy_for: OpenProxy, http: aiohttp.ClientSession
) -> None:
    async with proxy_for("masked", project="quiet") as proxy:
        await send(http, proxy.url, ask("openai"), x_lqo_project="quiet")
        await send(http, proxy.url, ask("openai"), x_lqo_project="loud")
        await send(http, proxy.url, ask("openai"))
        states = [call.start.body_state for call in proxy.calls().values()]
    assert states == ["masked", "full", "full"]


@pytest.mark.parametrize(
    "wishes", [{"mask_patterns": {"x": "(?<=a)b"}}, {"mask_kinds": ("emial",)}], ids=["pattern", "kind"]
)
async def test_a_wish_that_cannot_be_read_keeps_metadata_only(
    proxy_for: OpenProxy, http: aiohttp.ClientSession, wishes: dict[str, object]
) -> None:
    async with proxy_for("masked", **wishes) as proxy:
        await send(http, proxy.url, ask("openai"))
        call = landed(proxy)
        assert found_in(on_disk(proxy.home / "spool")) == []
    assert (call.body_state, call.input_text) == ("none", None)


async def test_the_setting_speaks_where_nothing_was_ever_followed(
    tmp_path_factory: pytest.TempPathFactory, echo: str, http: aiohttp.ClientSession
) -> None:
    home = tmp_path_factory.mktemp("fresh")
    async with running_proxy(home, echo, settings=Settings(home=home, keep="masked")) as proxy:
        await send(http, proxy.url, ask("openai"))
        assert landed(proxy).body_state == "masked"
        assert found_in(on_disk(home)) == []


@pytest.mark.parametrize("wire", WIRES)
async def test_an_answer_too_long_for_memory_is_shed_and_its_usage_known(
    proxy_for: OpenProxy, http: aiohttp.ClientSession, wire: str
) -> None:
    async with proxy_for("masked", limits=Limits(private_bytes=1000)) as proxy:
        _, answer = await send(http, proxy.url, ask(wire, prompt=PROMPT * 40))
        assert len(answer) > 1000
        call = landed(proxy)
        assert found_in(on_disk(proxy.home)) == []
    assert (call.body_state, call.response, call.output_text) == ("shed", None, None)
    assert call.input_text is not None
    assert call.served_model == "m-2026"
    assert call.usage is not None
    assert {7, 3} <= set(call.usage.values())


async def test_an_answer_that_cannot_be_masked_in_time_is_shed(
    proxy_for: OpenProxy, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.access.privacy.MASK_SECONDS", 0.05)
    async with proxy_for("masked") as proxy:
        await send(http, proxy.url, ask("openai", prompt="4 1 1 1 " * 60_000))
        call = landed(proxy)
        assert b"4 1 1 1" not in on_disk(proxy.home)
    assert (call.body_state, call.input_text, call.output_text) == ("shed", None, None)
    assert call.requested_model == "m"
    assert call.usage is not None


async def test_a_long_mask_does_not_hold_up_other_calls(
    proxy_for: OpenProxy, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.access.privacy.MASK_SECONDS", 60.0)
    async with proxy_for("masked") as proxy:
        slow = asyncio.ensure_future(send(http, proxy.url, ask("openai", prompt=PROMPT * 3_000)))
        turns = 0
        while not slow.done():
            await asyncio.sleep(0.001)
            turns += 1
        status, _ = await slow
        call = landed(proxy)
    assert status == 200
    assert call.body_state == "masked"
    # Masked on the loop, it would have had a turn before and one after.
    assert turns > 50


async def test_a_client_that_leaves_is_masked_all_the_same(
    proxy_for: OpenProxy, http: aiohttp.ClientSession
) -> None:
    async with proxy_for("masked") as proxy:
        asked = ask("openai-stream", prompt=PROMPT * 200)
        body = json.dumps(asked.body).encode()
        async with http.post(proxy.url + asked.path, data=body, headers=asked.headers) as response:
            await response.content.readany()
            response.close()
        await until(lambda: any(call.end is not None for call in proxy.calls().values()))
        call = landed(proxy)
        assert found_in(on_disk(proxy.home)) == []
    assert call.status in ("client_gone", "ok")
    assert call.body_state in ("masked", "shed")


async def test_a_body_that_is_no_json_is_not_kept(proxy_for: OpenProxy, http: aiohttp.ClientSession) -> None:
    async with proxy_for("masked") as proxy:
        data = b'{"model": "m", "messages": "' + SECRETS[1].encode()
        async with http.post(f"{proxy.url}/v1/chat/completions", data=data) as response:
            await response.read()
        start = proxy.only_call().start
        assert found_in(on_disk(proxy.home)) == []
    assert (start.body_state, start.request) == ("masked", b"")


async def test_a_models_name_is_masked_where_somebody_wrote_an_address_there(
    proxy_for: OpenProxy, http: aiohttp.ClientSession
) -> None:
    async with proxy_for("none") as proxy:
        await send(http, proxy.url, ask("openai", model="kim.hong@naver.com"))
        await send(http, proxy.url, Ask("/v1/chat/completions", {"model": "gpt-4o-2024-08-06"}, None))
        starts = [call.start for call in proxy.calls().values()]
        assert found_in(on_disk(proxy.home)) == []
    assert [start.requested_model for start in starts] == ["[email]", "gpt-4o-2024-08-06"]
    assert starts[0].started_at_ns < datetime.now(UTC).timestamp() * 1e9
