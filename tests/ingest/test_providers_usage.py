"""Usage read from the two ends of an answer, as the proxy keeps them: for limits, prices and metrics."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.providers.base import Provider, Reading
from ingest.providers.catalogue import BaseUrls, build_providers, reader_of
from ingest.proxy.recorder import HEAD_BYTES, TAIL_BYTES
from tests.ingest.framing import event
from tests.ingest.recorded import SMALL, SMALL_BY_NAME, Recorded, recorded_exchanges

ALL = build_providers(BaseUrls())
PADDING = "x" * (TAIL_BYTES + HEAD_BYTES)
GOOD = [each for each in SMALL if each.status == 200]
STREAMED = [each for each in GOOD if each.streams]


def provider_of(path: str) -> Provider:
    return next(each for each in ALL if each.endpoint_of(path) is not None)


def read(data: bytes, *, path: str) -> Reading:
    """What is read when of `data` just the first and last kilobytes were kept."""
    tail = data if len(data) <= TAIL_BYTES else data[-TAIL_BYTES:]
    return provider_of(path).read_usage(head=data[:HEAD_BYTES], tail=tail)


def said_by(exchange: Recorded) -> Reading:
    document = exchange.document
    return Reading(
        served_model=document.get("model", document.get("modelVersion")),
        usage=document.get("usage", document.get("usageMetadata")),
        service_tier=document.get("service_tier") or None,
    )


def landed(exchange: Recorded, data: bytes) -> Reading:
    """What the loader reads of the whole answer, from which the warehouse prices it."""
    read_exchange = reader_of(exchange.path)
    assert read_exchange is not None
    found = read_exchange(request=b"", response=data, is_streamed=exchange.streams, http_status=200)
    return Reading(found.served_model, found.usage, found.service_tier)


@pytest.mark.parametrize("exchange", GOOD, ids=lambda each: each.name)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_document_is_read_however_long_it_is(exchange: Recorded, indent: int | None) -> None:
    assert read(exchange.response, path=exchange.path) == said_by(exchange)
    data = json.dumps(padded(exchange.document), indent=indent).encode()
    assert len(data) > TAIL_BYTES + HEAD_BYTES
    assert read(data, path=exchange.path) == said_by(exchange)
    assert read(b"\xef\xbb\xbf" + data, path=exchange.path) == said_by(exchange)


@pytest.mark.parametrize("exchange", STREAMED, ids=lambda each: each.name)
@pytest.mark.parametrize("is_array", [False, True])
def test_a_stream_is_read_however_long_it_is(exchange: Recorded, is_array: bool) -> None:
    frames = exchange.frames(is_array=is_array)
    assert read(b"".join(frames), path=exchange.path) == said_by(exchange)
    middle = frames[1] * (TAIL_BYTES // len(frames[1]) + 40) if not is_array else b""
    assert read(frames[0] + middle + b"".join(frames[1:]), path=exchange.path) == said_by(exchange)


def test_the_last_event_of_a_response_may_be_longer_than_what_is_kept() -> None:
    exchange = SMALL_BY_NAME["responses"]
    document = padded(exchange.document)
    data = b"".join(Recorded("r", "openai", exchange.path, {}, document).frames())
    assert read(data, path=exchange.path).usage == exchange.document["usage"]


def test_recorded_answers_are_read(shared_data: Path) -> None:
    found = [each for each in recorded_exchanges(shared_data) if each.status == 200]
    for exchange in found:
        expected = said_by(exchange)
        assert read(exchange.response, path=exchange.path) == expected, exchange.name
        assert landed(exchange, exchange.response).usage == expected.usage, exchange.name
        if exchange.streams:
            got = read(b"".join(exchange.frames()), path=exchange.path)
            assert got.usage == (expected.usage or None), exchange.name
            if got.usage is not None:
                assert got.service_tier == expected.service_tier, exchange.name
                assert got == landed(exchange, b"".join(exchange.frames())), exchange.name
    assert len(found) > 1200
    assert sum(said_by(each).service_tier is not None for each in found) > 300


@pytest.mark.parametrize("exchange", STREAMED, ids=lambda each: each.name)
def test_any_cut_reads_without_an_error_and_never_another_usage(exchange: Recorded) -> None:
    full = said_by(exchange).usage
    for data in (exchange.response, b"".join(exchange.frames())):
        for end in range(len(data)):
            usage = read(data[:end], path=exchange.path).usage
            whole = usage is None or usage == full or exchange.wire != "openai"
            assert whole, data[:end]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_the_tier_an_answer_was_given_at_is_read_beside_its_usage(path: str) -> None:
    exchange = SMALL_BY_NAME["chat" if "chat" in path else "responses"]
    flex = replace(exchange, document={**exchange.document, "service_tier": "flex"})
    for data in (flex.response, b"".join(flex.frames()), json.dumps(padded(flex.document)).encode()):
        assert read(data, path=path).service_tier == "flex"
        assert landed(flex, data).service_tier == "flex"


def test_the_tier_of_a_stream_may_stand_in_its_first_frame_alone() -> None:
    frames = [event({"model": "m", "choices": [], "service_tier": "priority"})]
    frames += [event({"model": "m", "choices": [], "padding": PADDING})] * 2
    frames += [event({"model": "m", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})]
    assert read(b"".join(frames), path="/v1/chat/completions").service_tier == "priority"


@pytest.mark.parametrize("tier", [None, 3, {"type": "flex"}, "", ["flex"]])
def test_a_tier_that_is_no_name_is_none(tier: object) -> None:
    document = {"model": "m", "choices": [], "usage": {"prompt_tokens": 1}, "service_tier": tier}
    assert read(json.dumps(document).encode(), path="/v1/chat/completions").service_tier is None


def test_anthropics_input_is_the_first_events_and_its_output_the_last() -> None:
    start = {"input_tokens": 10, "cache_read_input_tokens": 7, "output_tokens": 1}
    deltas: list[dict[str, Any]] = [
        {"output_tokens": 5},
        {
            "output_tokens": 25,
            "input_tokens": 0,
            "cache_read_input_tokens": None,
            "server_tool_use": {"n": 1},
        },
    ]
    frames = [
        event({"type": "message_start", "message": {"model": "c", "usage": start}}, name="message_start")
    ]
    frames += [event({"type": "message_delta", "delta": {}, "usage": each}) for each in deltas]
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 7,
        "output_tokens": 25,
        "server_tool_use": {"n": 1},
    }
    assert read(b"".join(frames), path="/v1/messages") == Reading("c", usage)
    alone = event({"type": "message_delta", "usage": {"input_tokens": 3, "output_tokens": 4}})
    assert read(alone, path="/v1/messages").usage == {"input_tokens": 3, "output_tokens": 4}


def test_of_several_usages_in_a_stream_the_last_one_counts() -> None:
    frames = [
        event({"model": "m", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": n}})
        for n in (1, 2, 3)
    ]
    data = b"".join(frames) + event({"model": "m", "choices": [], "usage": None}) + b"data: [DONE]\n\n"
    assert read(data, path="/v1/chat/completions").usage == {"prompt_tokens": 1, "completion_tokens": 3}


IMAGES = {"input_tokens": 50, "output_tokens": 272, "total_tokens": 322}


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/images/edits"])
def test_the_last_event_of_an_image_is_longer_than_what_is_kept(path: str) -> None:
    partial = event({"type": "image_generation.partial_image", "b64_json": PADDING})
    whole = {"type": "image_generation.completed", "b64_json": PADDING, "size": "auto", "usage": IMAGES}
    data = partial + event(whole, name="image_generation.completed")
    assert read(data, path=path).usage == IMAGES
    read_exchange = reader_of(path)
    assert read_exchange is not None
    assert read_exchange(request=b"", response=data, is_streamed=True, http_status=200).usage == IMAGES
    # What an event that was cut says deeper inside is no usage.
    lie = {"type": "x", "b64_json": PADDING, "item": {"usage": IMAGES}}
    assert read(event(lie), path=path).usage is None


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/images/generations"])
def test_a_usage_before_what_was_asked_for_is_read_as_well(path: str) -> None:
    document = {"model": "m", "usage": IMAGES, "service_tier": "flex", "data": [{"b64_json": PADDING}]}
    assert read(json.dumps(document).encode(), path=path) == Reading("m", IMAGES, "flex")


@pytest.mark.parametrize(
    "place",
    [{"x_groq": {"id": "r", "usage": IMAGES}}, {"choices": [{"index": 0, "delta": {}, "usage": IMAGES}]}],
    ids=["groq", "moonshot"],
)
def test_a_usage_that_stands_elsewhere_in_a_stream_counts_where_it_has_no_other(
    place: dict[str, Any],
) -> None:
    first = event({"model": "m", "choices": [{"index": 0, "delta": {"content": 'say "usage"'}}]})
    last = event({"model": "m", "choices": [], "service_tier": "flex"} | place)
    own = event({"model": "m", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    exchange = SMALL_BY_NAME["chat"]
    for data, usage in (
        (first + last + b"data: [DONE]\n\n", IMAGES),
        (first + own + last, {"prompt_tokens": 1, "completion_tokens": 1}),
        (first + last + own, {"prompt_tokens": 1, "completion_tokens": 1}),
    ):
        assert read(data, path=exchange.path) == landed(exchange, data)
        assert read(data, path=exchange.path) == Reading("m", usage, "flex")


@pytest.mark.parametrize("usage", [{"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, {}])
def test_a_usage_of_nothing_is_what_the_provider_said(usage: dict[str, int]) -> None:
    document = json.dumps({"model": "m", "choices": [], "usage": usage}).encode()
    assert read(document, path="/v1/chat/completions").usage == usage


def test_a_usage_in_the_arguments_of_a_tool_call_is_not_the_bill() -> None:
    lie = {"usage": {"input_tokens": 0, "output_tokens": 0}, "model": "free"}
    block = {"type": "tool_use", "name": "f", "input": lie, "z": PADDING}
    true = {"input_tokens": 9, "output_tokens": 8}
    for document in (
        {"model": "c", "content": [block], "usage": true},
        {"model": "c", "usage": true, "content": [block, {"type": "tool_use", "input": lie}]},
    ):
        data = json.dumps(document).encode()
        assert read(data, path="/v1/messages").usage in (true, None)
        assert read(data, path="/v1/messages").served_model == "c"


def test_a_packed_answer_is_read_where_all_of_it_was_kept() -> None:
    exchange = SMALL_BY_NAME["chat"]
    assert read(gzip.compress(exchange.response), path=exchange.path) == said_by(exchange)
    assert read(gzip.compress(b"".join(exchange.frames())), path=exchange.path) == said_by(exchange)
    assert read(b"\x1f\x8b\x08broken", path=exchange.path) == Reading()


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1beta/models/m:generateContent"]
)
@pytest.mark.parametrize(
    "data", [b"", b"{", b"[", b"null", b"data: {", b"\xff" * 99, b"{" * 99_999, b"[{" * 9_999]
)
def test_nothing_readable_is_no_usage(path: str, data: bytes) -> None:
    assert read(data, path=path) == Reading()


def padded(document: dict[str, Any]) -> dict[str, Any]:
    """The same with more in its first item than either end of it holds."""
    name = next(each for each in ("choices", "output", "content", "candidates", "data") if each in document)
    first, *others = document[name]
    return {**document, name: [{**first, "padding": PADDING}, *others]}
