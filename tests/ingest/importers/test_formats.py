"""What a line of each format says: read without a database."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.usage import Buckets, bucket_usage
from ingest.call import Call
from ingest.importers.formats.base import Said, Score, Within
from ingest.importers.formats.catalogue import make_formats
from ingest.importers.formats.detect import find_by_names
from ingest.importers.formats.langfuse_traces import Traces
from ingest.importers.formats.langfuse_usage import usage_of
from ingest.importers.formats.names import evaluator_named, provider_of_model
from ingest.landing.prepare import prepare
from ingest.landing.result import Problem
from ingest.uuid7 import uuid7
from tests.ingest.importers import exports
from tests.ingest.importers.exports import NOON

WITHIN = Within(datetime(2023, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))


def read(row: dict[str, Any] | bytes, *, traces: Traces | None = None) -> Said:
    """The first thing that the row says, in the format found for it."""
    line = row if isinstance(row, bytes) else json.dumps(row).encode()
    with closing(Traces()) as nothing:
        found = find_by_names(frozenset(json.loads(line)), make_formats(traces or nothing))
        assert found is not None
        return next(iter(found.read(line, WITHIN)))


def call_of(row: dict[str, Any]) -> Call:
    call = read(row).call
    assert isinstance(call, Call), call
    return call


def problem_of(row: dict[str, Any] | bytes) -> str | None:
    call = read(row).call
    return call.reason if isinstance(call, Problem) else None


def test_an_observation_of_langfuse_is_the_call_it_was() -> None:
    call = call_of(exports.observation())
    assert (call.external_id, call.trace_id, call.session_id, call.user_id) == (
        "obs-0",
        "trace-0",
        "s-0",
        "user-17",
    )
    assert (call.started_at, call.latency_ms, call.ttft_ms) == (NOON, 1250, 310)
    assert (call.provider, call.requested_model, call.endpoint) == ("openai", "gpt-4o-mini", "chat")
    assert (call.prompt_name, call.prompt_version, call.environment) == (
        "answer-question",
        "12",
        "production",
    )
    assert (call.status, call.is_streamed, call.body_state) == ("ok", True, "full")
    assert (call.input_text, call.output_text) == ("서울까지 배송되나요? 🚚 0", "네, 3일 안에요. 0")
    asked, answered = json.loads(call.request or b""), json.loads(call.response or b"")
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert answered["choices"][0]["message"]["content"] == "네, 3일 안에요. 0"
    assert bucket_usage(call.usage) == Buckets(input_uncached=12, cache_read=8, output_text=9)
    assert json.loads(call.usage_raw or "")["input_cached_tokens"] == 8
    assert call.tags["feature"] == "faq"
    assert call.tags["langfuse.total_cost"] == 0.0000072


def test_the_api_of_langfuse_says_the_same_in_camel_case() -> None:
    call = call_of(exports.api_observation())
    assert (call.external_id, call.started_at, call.provider) == ("obs-0", NOON, "anthropic")
    assert (call.input_text, call.output_text) == ("hello", "hi")
    assert bucket_usage(call.usage) == Buckets(input_uncached=10, cache_read=5, output_text=2)
    assert call.tags["langfuse.calculated_total_cost"] == 0.00006


@pytest.mark.parametrize(
    ("asked", "answered", "texts"),
    [
        ("plain question", "plain answer", ("plain question", "plain answer")),
        ('"quoted"', '"too"', ("quoted", "too")),
        ('{"messages":[{"role":"user","content":"a"}],"tools":[]}', "b", ("a", "b")),
        (
            '[{"role":"user","content":[{"type":"text","text":"part"}]}]',
            '{"answer": 3}',
            ("part", '{"answer": 3}'),
        ),
        ("[1, 2]", "[]x", ("[1, 2]", "[]x")),
        ('[{"role":"user","content":"half \\ud83d"}]', "ok", ("half \ud83d", "ok")),
        ("{not json", "{nor this", ("{not json", "{nor this")),
        ('{"query": "q"}', '{"role":"assistant","content":"x"}', ('{"query": "q"}', "x")),
        ("", "", (None, None)),
        (None, None, (None, None)),
    ],
)
def test_whatever_stands_in_input_and_output_is_kept(
    asked: str | None, answered: str | None, texts: tuple[str | None, str | None]
) -> None:
    call = call_of(exports.observation(input=asked, output=answered))
    assert (call.input_text, call.output_text) == texts


def test_tool_calls_and_whole_responses_are_read_as_the_provider_s() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    call = call_of(exports.observation(output=json.dumps(message)))
    assert json.loads(call.response or b"")["choices"][0]["message"]["tool_calls"] == calls
    whole = call_of(exports.observation(output=json.dumps(exports.completion()), usage_details={}))
    assert (whole.output_text, whole.finish_reason) == ("네 0", "stop")
    assert whole.usage == {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}


def test_what_is_no_call_of_a_model_is_passed_over() -> None:
    for kind in ("SPAN", "EVENT", "TOOL", "AGENT", "RETRIEVER"):
        assert read(exports.observation(type=kind)) == Said()
    embedding = call_of(exports.observation(type="EMBEDDING", input="text", output="[0.1, 0.2]"))
    assert (embedding.endpoint, embedding.input_text, embedding.output_text) == ("embeddings", "text", None)


def test_errors_and_what_still_ran_are_told_apart() -> None:
    failed = call_of(exports.observation(level="ERROR", status_message="rate limited", output=""))
    assert (failed.status, failed.error_message, failed.served_model) == ("error", "rate limited", None)
    assert call_of(exports.observation(end_time=None)).status == "interrupted"
    assert call_of(exports.observation(provided_model_name="")).requested_model == "unknown"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start_time": "yesterday"}, "bad_field"),
        ({"start_time": None}, "bad_field"),
        ({"start_time": "2026-11-18 12:00:00.000000+25:00"}, "bad_field"),
        ({"start_time": "1999-01-01 00:00:00.000000"}, "out_of_range"),
        ({"start_time": "2099-01-01 00:00:00.000000"}, "out_of_range"),
        ({"id": ""}, "missing_field"),
        ({"id": 7}, "bad_field"),
        ({"type": 3}, "bad_field"),
    ],
)
def test_an_observation_that_cannot_be_a_call_says_why(changes: dict[str, Any], reason: str) -> None:
    assert problem_of(exports.observation(**changes)) == reason


def test_times_without_an_offset_are_utc_and_others_what_they_say() -> None:
    plain = call_of(exports.observation(start_time="2026-11-18 12:00:00.5"))
    assert plain.started_at == NOON + timedelta(milliseconds=500)
    seoul = call_of(exports.observation(start_time="2026-11-18T21:00:00+09:00", end_time=None))
    assert seoul.started_at == NOON


def test_members_that_nobody_knows_are_kept_as_tags() -> None:
    assert call_of(exports.observation(new_column="x")).tags["langfuse.new_column"] == "x"


def test_legacy_observations_learn_from_their_traces() -> None:
    traces = Traces()
    read(exports.trace(), traces=traces)
    legacy = exports.observation(
        user_id=..., session_id=..., environment="", tags=..., trace_name=..., release=...
    )
    call = read(legacy, traces=traces).call
    assert isinstance(call, Call)
    assert (call.user_id, call.session_id, call.environment) == ("user-0", "s-legacy", "staging")
    assert call.tags["langfuse.trace_name"] == "chat"
    traces.close()


@pytest.mark.parametrize(
    ("details", "buckets"),
    [
        ({"input": 5, "output": 2}, Buckets(input_uncached=5, output_text=2)),
        ({"input": "5", "output": "2", "total": "7"}, Buckets(input_uncached=5, output_text=2)),
        # Inside, as the total says.
        ({"input": 20, "input_cached_tokens": 8, "output": 2, "total": 22}, Buckets(12, 8, output_text=2)),
        # Beside, as Langfuse itself writes OpenAI's.
        (
            {"input": 12, "input_cached_tokens": 8, "output": 2, "output_reasoning_tokens": 6, "total": 28},
            Buckets(12, 8, output_text=2, reasoning=6),
        ),
        (
            {"input": 3, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 5, "output": 1},
            Buckets(3, 5, 4, output_text=1),
        ),
    ],
)
def test_token_counts_become_buckets_that_never_overlap(details: dict[str, Any], buckets: Buckets) -> None:
    assert bucket_usage(usage_of(details)) == buckets


def test_no_counts_are_no_usage() -> None:
    assert usage_of({}) is None
    assert usage_of({"requests": 1}) is None
    assert usage_of({"input": None}) is None


@pytest.mark.parametrize("count", ["many", float("nan"), float("inf"), 10**13])
def test_a_count_that_is_none_is_not_taken_for_no_tokens(count: Any) -> None:
    assert usage_of({"input": count, "output": 9}) is None
    beside = usage_of({"input": 3, "output": 9, "unit": "TOKENS", "prompt_tokens_details": {"cached": 1}})
    assert beside == {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}


def score_of(row: dict[str, Any]) -> Score | Problem:
    [score] = read(row).scores
    return score


def test_scores_of_langfuse_have_a_version_of_their_own() -> None:
    score = score_of(exports.score())
    assert isinstance(score, Score)
    assert (score.evaluator, score.version, score.external_id) == ("langfuse.helpfulness", "eval", "obs-0")
    assert (score.value, score.explanation, score.at) == (0.75, "clear", NOON + timedelta(minutes=10))
    known = score_of(exports.score(evaluator_id="ev 1", source="ANNOTATION"))
    assert isinstance(known, Score)
    assert known.version == "annotation:ev1"


def test_a_score_of_a_trace_is_another_evaluator_and_a_text_is_feedback() -> None:
    of_trace = score_of(
        exports.score(observation_id=None, data_type="CATEGORICAL", string_value="good", value=1)
    )
    assert isinstance(of_trace, Score)
    assert (of_trace.evaluator, of_trace.trace_id, of_trace.external_id) == (
        "langfuse.trace.helpfulness",
        "trace-0",
        None,
    )
    assert of_trace.label == "good"
    text = score_of(exports.score(data_type="TEXT", string_value="정말 좋아요", value=0, name="의견"))
    assert isinstance(text, Score)
    assert (text.is_feedback, text.evaluator, text.value, text.explanation) == (
        True,
        "의견",
        None,
        "정말 좋아요",
    )
    nobody = score_of(exports.score(observation_id=None, trace_id=None, session_id="s"))
    assert isinstance(nobody, Problem)
    assert nobody.reason == "no_call"


def test_a_request_of_helicone_brings_its_bodies_scores_and_rating() -> None:
    said = read(exports.helicone_request())
    call = said.call
    assert isinstance(call, Call)
    assert (call.provider, call.endpoint, call.http_status) == ("openai", "/v1/chat/completions", 200)
    assert (call.input_text, call.output_text, call.latency_ms) == ("안녕 👋 0", "네 0", 812)
    assert (call.user_id, call.session_id, call.prompt_name) == ("user-17", "s-204", "answer-question")
    assert call.usage == {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}
    assert call.tags["feature"] == "faq"
    assert [
        (score.evaluator, score.value, score.is_feedback) for score in said.scores if isinstance(score, Score)
    ] == [("rating", 1, True), ("helicone.accuracy", 90, False), ("helicone.brief", 1, False)]
    assert {score.call_id for score in said.scores if isinstance(score, Score)} == {call.call_id}


def test_a_number_of_helicone_that_nobody_can_count_with_is_refused_alone() -> None:
    said = read(exports.helicone_request(feedback_rating=10**400, scores={"good": 1, "huge": 10**400}))
    assert isinstance(said.call, Call)
    refused = [score for score in said.scores if isinstance(score, Problem)]
    assert [problem.reason for problem in refused] == ["bad_field", "bad_field"]
    assert [score.evaluator for score in said.scores if isinstance(score, Score)] == ["helicone.good"]


def test_helicone_without_bodies_counts_tokens_itself() -> None:
    row = exports.helicone_request(
        request_body=..., response_body={"helicone_message": "too large"}, prompt_cache_read_tokens=4
    )
    call = call_of(row)
    assert (call.body_state, call.request, call.response) == ("none", None, None)
    assert bucket_usage(call.usage) == Buckets(21, 4, output_text=9)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (429, ("error", 429, "http_429")),
        (-1, ("error", None, "timeout")),
        (-2, ("interrupted", None, None)),
        (-3, ("client_gone", None, None)),
        (-4, ("error", None, "threat")),
        (-99, ("error", None, "unknown")),
    ],
)
def test_helicone_s_own_statuses_are_told(status: int, told: tuple[str, int | None, str | None]) -> None:
    call = call_of(exports.helicone_request(response_status=status, response_body=...))
    assert (call.status, call.http_status, call.error_type) == told


def test_a_spend_log_of_litellm_is_the_call_its_client_made() -> None:
    call = call_of(exports.spend_log())
    assert (call.requested_model, call.served_model, call.provider) == (
        "fast-chat",
        "gpt-4o-mini-2024-07-18",
        "openai",
    )
    assert (call.started_at, call.latency_ms, call.is_streamed, call.ttft_ms) == (NOON, 2500, False, None)
    assert (call.project, call.user_id, call.session_id) == ("shop-team", "user-17", "s-204")
    assert (call.input_text, call.output_text) == ("안녕 👋 0", "네 0")
    assert call.tags["litellm.spend"] == 0.0000085
    assert bucket_usage(call.usage) == Buckets(input_uncached=21, output_text=9)


def test_a_spend_log_as_the_database_writes_it_is_the_same() -> None:
    row = exports.spend_log()
    text = {name: json.dumps(row[name]) for name in ("messages", "response", "metadata", "request_tags")}
    written = call_of({**row, **text, "startTime": "2026-11-18 12:00:00", "proxy_server_request": "{}"})
    plain = call_of(row)
    assert (written.call_id, written.input_text, written.output_text, written.usage) == (
        plain.call_id,
        plain.input_text,
        plain.output_text,
        plain.usage,
    )


def test_failures_and_cached_answers_of_litellm_cost_nothing() -> None:
    information = {"error_code": "429", "error_class": "RateLimitError", "error_message": "slow down"}
    failed = call_of(
        exports.spend_log(status="failure", response={}, metadata={"error_information": information})
    )
    assert (failed.status, failed.http_status, failed.error_type, failed.error_message) == (
        "error",
        429,
        "RateLimitError",
        "slow down",
    )
    cached = call_of(exports.spend_log(cache_hit="True"))
    assert cached.usage == {}
    assert cached.tags["litellm.cache_hit"] is True
    assert read(exports.spend_log(call_type="aimage_generation")) == Said()


def test_a_logging_payload_of_litellm_knows_when_it_was_streamed() -> None:
    call = call_of(exports.logging_payload())
    assert (call.external_id, call.started_at, call.latency_ms) == ("chatcmpl-payload-0", NOON, 2500)
    assert (call.is_streamed, call.provider, call.trace_id) == (True, "aws", "tr-1")
    assert call.ttft_ms == pytest.approx(400)


def test_a_stored_completion_of_openai_has_the_messages_beside_it() -> None:
    call = call_of(exports.stored_completion())
    assert (call.external_id, call.started_at, call.provider) == ("chatcmpl-0", NOON, "openai")
    assert (call.input_text, call.output_text, call.user_id) == ("안녕 👋 0", "네 0", "user-17")
    assert json.loads(call.request or b"")["seed"] == 7
    assert "messages" not in json.loads(call.response or b"")
    assert call.tags["feature"] == "faq"
    bare = call_of(exports.stored_completion(messages=...))
    assert (bare.request, bare.input_text, bare.output_text) == (None, None, "네 0")


def test_a_stored_response_of_openai_is_read_as_one() -> None:
    row = {
        "id": "resp_1",
        "object": "response",
        "created_at": int(NOON.timestamp()),
        "model": "gpt-4o-mini",
        "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "네"}]}
        ],
        "usage": {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6},
        "input": {"object": "list", "data": [{"type": "message", "role": "user", "content": "안녕"}]},
    }
    call = call_of(row)
    assert (call.endpoint, call.input_text, call.output_text) == ("/v1/responses", "안녕", "네")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": ""}, "missing_field"),
        ({"created": "noon"}, "missing_field"),
        ({"object": "chat.completion.chunk"}, "bad_field"),
        ({"created": 1}, "out_of_range"),
    ],
)
def test_a_stored_object_that_is_no_call_says_why(changes: dict[str, Any], reason: str) -> None:
    assert problem_of(exports.stored_completion(**changes)) == reason


def test_spans_of_a_file_have_the_ids_they_have_over_http() -> None:
    document = json.dumps(exports.traces_document(2)).encode()
    found = find_by_names(frozenset(json.loads(document)), make_formats(Traces()))
    assert found is not None
    said = list(found.read(document, WITHIN))
    calls = [each.call for each in said if isinstance(each.call, Call)]
    assert [each == Said() for each in said] == [True, False, True, False]
    assert [call.source for call in calls] == ["otlp", "otlp"]
    assert calls[0].external_id == f"{exports.TRACE}:000000000000001a"
    assert (calls[0].input_text, calls[0].session_id) == ("안녕 0", "s-204")
    [score] = said[1].scores
    assert isinstance(score, Score)
    assert (score.evaluator, score.value, score.label, score.call_id) == (
        "otel.relevance",
        0.9,
        "relevant",
        calls[0].call_id,
    )


@pytest.mark.parametrize(
    "make",
    [
        exports.observation,
        exports.api_observation,
        exports.helicone_request,
        exports.spend_log,
        exports.logging_payload,
        exports.stored_completion,
    ],
)
def test_text_that_is_no_unicode_is_read_all_the_same(make: Callable[..., dict[str, Any]]) -> None:
    row = make()
    for name in ("name", "request_path", "api_base", "input_user"):
        if name in row:
            row[name] = "half \ud83d of it"
    assert isinstance(read(row).call, Call)


def test_names_of_scores_become_names_of_evaluators() -> None:
    assert evaluator_named("langfuse", "helpfulness") == "langfuse.helpfulness"
    korean, other = evaluator_named("langfuse", "응답 품질"), evaluator_named("langfuse", "응답 길이")
    assert korean != other
    assert korean.isascii()
    assert " " not in evaluator_named("langfuse", "is it good")
    assert len(evaluator_named("langfuse", "x" * 5000)) < 200


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o", "openai"),
        ("o3-mini", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-pro", "google"),
        ("anthropic/claude-3", "anthropic"),
        ("bedrock/anthropic.claude", "aws"),
        ("openchat-7b", "unknown"),
        ("my-team/gpt-4o", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_model_tells_its_provider_only_by_a_known_name(model: str, provider: str) -> None:
    assert provider_of_model(model) == provider


HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**30), 2**63, 1e308, -1, 0, 1e18])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(
        ["\ud83d", "\x00", "[]", "{}", '"', '[{"role":', '{"messages":1}', '{"choices":[3]}', "9" * 40]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MAKERS = (
    exports.observation,
    exports.api_observation,
    exports.score,
    exports.trace,
    exports.helicone_request,
    exports.spend_log,
    exports.logging_payload,
    exports.stored_completion,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_member_the_row_is_read_or_has_a_reason(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(MAKERS))()
    names = frozenset(row)
    for name in data.draw(st.lists(st.sampled_from(sorted(row)), min_size=1, max_size=3)):
        row[name] = data.draw(HOSTILE)
    with closing(Traces()) as traces:
        found = find_by_names(names, make_formats(traces))
        assert found is not None
        said = list(found.read(json.dumps(row).encode(), WITHIN))
    calls = [each.call for each in said if isinstance(each.call, Call)]
    prepare(calls, load_id=uuid7(), earliest=WITHIN.earliest, latest=WITHIN.latest)
