"""What is kept of bodies, whatever they are and however they are cut."""

import asyncio
import itertools
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.access.privacy import ProjectKeeping
from ingest.providers.anthropic import anthropic_provider
from ingest.providers.base import Provider
from ingest.providers.gemini import gemini_provider
from ingest.providers.openai import openai_provider
from ingest.proxy.aside import Aside
from ingest.proxy.kept import (
    Answer,
    KeptAnswer,
    Rules,
    keep_answer,
    keep_attempts,
    keep_message,
    keep_request,
)
from ingest.settings import Keep
from ingest.spool.records import End, encode_record
from ingest.uuid7 import uuid7
from tests.ingest.privacy.private_calls import KEY, PROMPT, SECRETS, found_in

TEXT = f"{PROMPT} {KEY} "


def rules(provider: Provider | None = None, *, keep: Keep = "masked") -> Rules:
    return Rules(provider or openai_provider(), ProjectKeeping(keep, b"pepper"), KEY.encode())


def answer(body: bytes, *, is_streamed: bool = True, **more: object) -> Answer:
    told = {"http_status": 200} | more
    return Answer(body=body, head=body[:8192], tail=body[-16384:], is_streamed=is_streamed, **told)  # pyright: ignore[reportArgumentType]


def spooled(kept: KeptAnswer) -> bytes:
    """The bytes of it that a spool would hold."""
    end = End(call_id=uuid7(), ended_at_ns=1, status="ok", response=kept.response, said=kept.said)
    return encode_record(end)


def openai_frames(pieces: list[str]) -> bytes:
    deltas = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    return b"".join(f"data: {json.dumps(delta)}\n\n".encode() for delta in deltas) + b"data: [DONE]\n\n"


def anthropic_frames(pieces: list[str]) -> bytes:
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        for piece in pieces
    ]
    return b"".join(f"event: {delta['type']}\ndata: {json.dumps(delta)}\n\n".encode() for delta in deltas)


def gemini_frames(pieces: list[str]) -> bytes:
    chunks = [{"candidates": [{"content": {"parts": [{"text": piece}]}}]} for piece in pieces]
    return b"".join(f"data: {json.dumps(chunk)}\r\n\r\n".encode() for chunk in chunks)


@given(
    st.sampled_from(
        [
            (openai_provider(), openai_frames),
            (anthropic_provider(), anthropic_frames),
            (gemini_provider(), gemini_frames),
        ]
    ),
    st.lists(st.integers(1, len(TEXT) - 1), max_size=30),
)
def test_no_cut_of_a_stream_lets_anything_through(dialect: tuple[Provider, object], cuts: list[int]) -> None:
    provider, frames = dialect
    places = [0, *sorted(set(cuts)), len(TEXT)]
    pieces = [TEXT[a:b] for a, b in itertools.pairwise(places)]
    body: bytes = frames(pieces)  # pyright: ignore[reportCallIssue]
    kept = keep_answer(answer(body), rules=rules(provider))
    assert found_in(spooled(kept)) == []
    assert kept.said is not None
    assert kept.said.output_text is not None
    assert "[email], [phone], [card], [resident], [iban] 입니다 👋 [key]" in kept.said.output_text


@given(st.binary(max_size=200), st.sampled_from(["gzip", "br", "identity", "zstd", None]))
def test_any_bytes_are_kept_or_not_and_never_raise(body: bytes, encoding: str | None) -> None:
    whole = b"010-1234-5678 " + body
    for keep in ("full", "text", "masked", "none"):
        kept = keep_answer(
            answer(whole, content_encoding=encoding, is_streamed=False), rules=rules(keep=keep)
        )
        assert kept.body_state in (keep, "shed")
        if keep in ("masked", "none"):
            assert b"010-1234-5678" not in spooled(kept)


def test_usage_with_words_in_it_is_masked() -> None:
    usage = {"prompt_tokens": 7, "note": SECRETS[0], "n": 10**30}
    body = json.dumps({"model": "m", "choices": [], "usage": usage}).encode()
    for keep in ("masked", "none"):
        kept = keep_answer(answer(body, is_streamed=False), rules=rules(keep=keep))
        assert kept.said is not None
        assert json.loads(kept.said.usage or "") == {**usage, "note": "[email]"}
        assert found_in(spooled(kept)) == []


def test_what_stands_beside_an_end_is_masked() -> None:
    attempts = ({"provider": "p", "model": SECRETS[0], "usage": {"a": 1, "b": SECRETS[1]}},)
    masked = keep_attempts(attempts, rules=rules(keep="none"))
    assert masked == ({"provider": "p", "model": "[email]", "usage": {"a": 1, "b": "[phone]"}},)
    assert keep_attempts(attempts, rules=rules(keep="text")) is attempts
    assert keep_message(f"no model {SECRETS[0]}", rules=rules()) == "no model [email]"
    assert keep_message(None, rules=rules()) is None


def test_a_request_without_time_keeps_its_facts() -> None:
    body = json.dumps({"messages": [{"role": "user", "content": PROMPT}]}).encode()
    kept = keep_request(
        body, model="m", is_streamed=False, observer={"session_id": "s"}, rules=rules(), is_hasty=True
    )
    assert (kept.body_state, kept.request, kept.input_text) == ("shed", b"", None)
    assert (kept.requested_model, kept.observer) == ("m", {"session_id": "s"})


def test_a_mask_that_fails_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, text: str, **_: object) -> str:
        raise RuntimeError(text)

    monkeypatch.setattr("evaluators.masking.Masker.mask", broken)
    body = json.dumps({"messages": [{"role": "user", "content": PROMPT}]}).encode()
    observer = {"session_id": SECRETS[1]}
    kept = keep_request(body, model=SECRETS[0], is_streamed=False, observer=observer, rules=rules())
    assert (kept.body_state, kept.request, kept.requested_model, kept.observer) == ("shed", b"", "", {})
    shed = keep_answer(answer(openai_frames([PROMPT])), rules=rules())
    assert (shed.body_state, found_in(spooled(shed))) == ("shed", [])


async def test_work_aside_is_bounded() -> None:
    aside = Aside(threads=1, most_waiting=1)
    gate = threading.Event()
    running = [asyncio.ensure_future(aside.run(lambda: gate.wait(60))) for _ in range(2)]
    await asyncio.sleep(0)
    assert aside.is_full
    gate.set()
    assert await asyncio.gather(*running) == [True, True]
    assert not aside.is_full
