"""Requests of every dialect: what is read of them, another model spliced in, what two readers may see."""

import json

import pytest

from ingest.providers.anthropic import anthropic_provider
from ingest.providers.azure import azure_providers
from ingest.providers.base import Prepared, Provider
from ingest.providers.catalogue import BaseUrls, build_providers, normal_base_url
from ingest.providers.gemini import gemini_provider
from ingest.providers.members import as_text, top_members
from ingest.providers.query import key_in, split_key

ALL = build_providers(BaseUrls())
BODY = b' {"a" : 1.0, "model" :"m"\t, "n":{"model":"inner"},"t":"\\ud800 \xec\x95\x88 \xff"}\n'


def provider_of(path: str) -> Provider:
    return next(each for each in ALL if each.endpoint_of(path) is not None)


def prepared(body: bytes, path: str = "/v1/chat/completions", query: str = "") -> Prepared:
    return provider_of(path).prepare(body, path=path, query=query)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"])
def test_another_model_is_spliced_in_and_every_other_byte_stays(path: str) -> None:
    before = prepared(BODY, path)
    assert before.requested_model == "m"
    after = provider_of(path).with_model(before, model='새 "m"')
    assert after.body == BODY.replace(b'"m"\t', '"새 \\"m\\""\t'.encode())
    assert after.requested_model == '새 "m"'


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (b'{"stream":false}', b'{"model":"x","stream":false}'),
        (b"{}", b'{"model":"x"}'),
        (b"\xef\xbb\xbf { }", b'\xef\xbb\xbf {"model":"x" }'),
        (b'{"model":null,"b":1}', b'{"model":"x","b":1}'),
        (b'{"mod\\u0065l":"y"}', b'{"mod\\u0065l":"x"}'),
        (b"no json", b"no json"),
        (b'{"model":"y"', b'{"model":"y"'),
    ],
)
def test_a_model_is_set_where_there_was_none(body: bytes, after: bytes) -> None:
    assert anthropic_provider().with_model(prepared(body, "/v1/messages"), model="x").body == after


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("/v1beta/models/a:generateContent", "/v1beta/models/b%2Fc:generateContent"),
        ("/v1/models/a%3AstreamGenerateContent", "/v1/models/b%2Fc:streamGenerateContent"),
        (
            "/v1beta1/projects/p/locations/l/publishers/google/models/a:generateContent",
            "/v1beta1/projects/p/locations/l/publishers/google/models/b%2Fc:generateContent",
        ),
    ],
)
def test_geminis_model_stands_in_the_path(path: str, after: str) -> None:
    gemini = gemini_provider()
    before = gemini.prepare(b"{}", path=path, query="alt=sse&key=s%2Bt")
    assert (before.requested_model, before.path, before.secret_query) == ("a", f"{path}?alt=sse", "key=s%2Bt")
    assert gemini.with_model(before, model="b/c").path == f"{after}?alt=sse"
    assert before.path_below(forwards_key=True) == f"{path}?alt=sse&key=s%2Bt"
    assert before.path_below(forwards_key=False) == f"{path}?alt=sse"


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        (b'{"generationConfig":{"maxOutputTokens":9},"contents":[]}', 9),
        (b'{"generation_config":{"max_output_tokens":9}}', 9),
        (b'{"generationConfig":{"maxOutputTokens":-1}}', None),
        (b'{"generationConfig":{"maxOutputTokens":true}}', None),
        (b'{"generationConfig":[]}', None),
        (b"[]", None),
        (b"{" * 99_999, None),
    ],
)
def test_gemini_says_its_limit_in_two_spellings(body: bytes, limit: int | None) -> None:
    path = "/v1beta/models/m:generateContent"
    assert gemini_provider().prepare(body, path=path, query="").output_limit == limit


def test_the_bracket_that_may_end_an_array_waits() -> None:
    gemini = gemini_provider()
    path = "/v1beta/models/m:streamGenerateContent"
    assert gemini.prepare(b"{}", path=path, query="").strips_usage
    assert not gemini.prepare(b"{}", path=path, query="alt=sse").strips_usage
    hiding = gemini.usage_filter()
    shown = [hiding.feed(data) for data in (b'[{"a":[1', b"]", b" \n", b"}", b"]\r\n")]
    assert shown == [b'[{"a":[1', b"", b"", b"] \n}", b""]
    assert hiding.finish() == b"]\r\n"


def test_azures_model_is_the_deployment_in_the_path() -> None:
    path, query = "/openai/deployments/gpt/chat/completions", "api-version=2024-10-21"
    azure = next(
        each for each in azure_providers("https://x.openai.azure.com/openai") if each.endpoint_of(path)
    )
    before = azure.prepare(b'{"model":"z","stream":true}', path=path, query=query)
    assert (before.requested_model, before.path) == ("gpt", f"{path}?{query}")
    assert before.strips_usage
    after = azure.with_model(before, model="gpt 2")
    assert after.path == f"/openai/deployments/gpt%202/chat/completions?{query}"
    assert azure.base_url == "https://x.openai.azure.com"
    old = azure.prepare(b'{"stream":true}', path=path, query="api-version=2024-02-01")
    assert (old.body, old.strips_usage, old.is_streamed) == (b'{"stream":true}', False, True)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"cheap","model":"dear"}',
        b'{"model":"cheap","Model":"dear"}',
        b'{"model":"cheap","mod\\u0065l":"dear"}',
        b'{"model":"cheap","\\u004dodel":"dear"}',
        b'{"stream":false,"messages":[{"a":{"b":"}"}}],"stream":true}',
        b'\xef\xbb\xbf{"model":"cheap","x":NaN,"model":"dear"}',
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_a_request_that_two_readers_read_differently_has_a_problem(body: bytes, path: str) -> None:
    problem = prepared(body, path).problem
    assert problem is not None
    assert "twice" in problem


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","tools":[{"model":"a","stream":1},{"model":"b","stream":2}]}',
        b'{"model":"m","messages":[{"content":"\\"model\\":\\"x\\" \\u0041 \\"model\\""}]}',
        b'{"model":"m","x":{"model":{"model":"y"}}}',
        b"not json",
        b'{"model":"a","model":',
    ],
)
def test_other_requests_have_none(body: bytes) -> None:
    assert prepared(body).problem is None


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"model":"m","stream":true,"max_tokens":9}',
        b'{"model":"m","stream":true,"max_tokens":9,"x":NaN}',
        b'{"model":"m","stream":true,"max_tokens":9,"x":"\\ud83d"}',
        b'{"model":"m","stream":true,"max_tokens":9,"x":"\xff"}',
    ],
)
def test_what_providers_read_is_read(body: bytes) -> None:
    said = prepared(body, "/v1/messages")
    assert (said.requested_model, said.is_streamed, said.output_limit) == ("m", True, 9)
    asked = prepared(body)
    assert asked.strips_usage
    assert b'{"stream_options":{"include_usage":true},"model"' in asked.body


def test_mistral_is_not_asked_for_the_usage_it_says_anyway() -> None:
    mistral = build_providers(BaseUrls(openai="https://api.mistral.ai/v1"))[0]
    said = mistral.prepare(b'{"model":"m","stream":true}', path="/v1/chat/completions", query="")
    assert mistral.name == "mistral"
    assert b"include_usage" in said.taken_by("groq").body
    assert said.taken_by(mistral.name).body == b'{"model":"m","stream":true}'


FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n\x00\xff\r\n'
    b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--x--\r\n'
)


def test_an_upload_names_its_model_once() -> None:
    path = "/v1/audio/transcriptions"
    said = prepared(FORM, path)
    assert (said.requested_model, said.problem, said.path) == ("whisper-1", None, "/audio/transcriptions")
    after = provider_of(path).with_model(said, model="whisper-large")
    assert after.body == FORM.replace(b"whisper-1", b"whisper-large")
    twice = FORM[:-7] + b"--x\r\ncontent-disposition: form-data; name=model\r\n\r\ny\r\n--x--\r\n"
    assert prepared(twice, path).problem is not None


@pytest.mark.parametrize(
    ("query", "rest", "secret", "key"),
    [
        ("", "", "", None),
        ("alt=sse", "alt=sse", "", None),
        ("key=a%2Fb", "", "key=a%2Fb", b"a/b"),
        ("alt=sse&key=a&x=1", "alt=sse&x=1", "key=a", b"a"),
        ("%6Bey=a&b=key", "b=key", "%6Bey=a", b"a"),
        ("key=a&key=b", "", "key=a&key=b", b"a"),
        ("keys=a&apikey=b", "keys=a&apikey=b", "", None),
        ("key=", "", "key=", None),
    ],
)
def test_a_key_is_split_off_a_query(query: str, rest: str, secret: str, key: bytes | None) -> None:
    assert split_key(query) == (rest, secret)
    assert key_in(query) == key


@pytest.mark.parametrize(
    ("path", "endpoint", "name"),
    [
        ("/v1/chat/completions", "/v1/chat/completions", "openai"),
        ("/v1/responses/compact", "/v1/responses/compact", "openai"),
        ("/v1/messages", "/v1/messages", "anthropic"),
        ("/v1beta/models/x-1.5:generateContent", "/v1beta/models/{model}:generateContent", "google"),
        ("/v1/models/x:streamGenerateContent", "/v1/models/{model}:streamGenerateContent", "google"),
        ("/v1beta/models/x:embedContent", "/v1beta/models/{model}:embedContent", "google"),
        ("/openai/deployments/d/embeddings", "/openai/deployments/{model}/embeddings", "azure"),
        ("/openai/v1/responses", "/openai/v1/responses", "azure"),
        ("/v1/models", None, None),
        ("/v1beta/models/a/b:generateContent", None, None),
        ("/v1beta/models/x:somethingElse", None, None),
        ("/openai/deployments/d/else/where", None, None),
        ("/v1/files", None, None),
    ],
)
def test_a_recorded_path_has_one_owner_and_a_bounded_name(
    path: str, endpoint: str | None, name: str | None
) -> None:
    found = [(each.endpoint_of(path), each.name) for each in ALL if each.endpoint_of(path) is not None]
    assert found == ([] if endpoint is None else [(endpoint, name)])


@pytest.mark.parametrize(
    ("path", "header", "owner"),
    [
        ("/v1/models", None, "openai"),
        ("/v1/models/gpt", None, "openai"),
        ("/v1/models", b"anthropic-version", "anthropic"),
        ("/v1/models", b"x-goog-api-key", "google"),
        ("/v1beta/models", None, "google"),
        ("/v1beta/models/x:countTokens", None, "google"),
        ("/v1/messages/count_tokens", b"anthropic-version", "anthropic"),
        ("/v1/responses/resp_1", None, "openai"),
        ("/v1/responses/resp_1/input_items", None, "openai"),
        ("/openai/models", None, "azure"),
        ("/v1/files", None, None),
        ("/v1/models:evil", None, None),
    ],
)
def test_unrecorded_paths_belong_to_one_provider(path: str, header: bytes | None, owner: str | None) -> None:
    headers = [] if header is None else [(header, b"x")]
    owners = {each.name for each in ALL if each.is_passed_through(path, headers)}
    assert owners == (set() if owner is None else {owner})


@pytest.mark.parametrize(
    ("wire", "given", "base"),
    [
        ("openai", "http://h:1", "http://h:1/v1"),
        ("openai", "https://h/openai/v1/", "https://h/openai/v1"),
        ("anthropic", "https://h/v1/", "https://h"),
        ("anthropic", "https://h/claude", "https://h/claude"),
        ("gemini", "https://h/v1beta", "https://h"),
        ("gemini", "https://h/", "https://h"),
        ("azure", "https://h.azure.com/openai/", "https://h.azure.com"),
    ],
)
def test_base_urls_are_taken_as_sdks_take_them(wire: str, given: str, base: str) -> None:
    assert normal_base_url(given, wire=wire) == base  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504])
def test_errors_have_the_shape_of_their_provider(status: int) -> None:
    said = {p.wire: json.loads(p.error_body("no 🎈", kind="k", status=status)) for p in ALL}
    assert said["openai"]["error"] == {"message": "no 🎈", "type": "k", "param": None, "code": "k"}
    assert said["anthropic"]["type"] == "error"
    assert said["anthropic"]["error"]["message"] == "no 🎈"
    assert said["anthropic"]["error"]["type"].endswith(("_error", "request_too_large"))
    assert (said["gemini"]["error"]["code"], said["gemini"]["error"]["message"]) == (status, "no 🎈")
    assert said["gemini"]["error"]["status"].isupper()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a"', '{"a":1,}', '{"a":1} x', "{1:2}", '{"a" 1}', "{" * 99_999]
)
def test_members_of_anything_but_an_object_are_an_error(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        list(top_members(text))


def test_members_stand_where_they_say() -> None:
    text = as_text(BODY)
    assert [(m.name, text[m.start : m.end]) for m in top_members(text)][:3] == [
        ("a", "1.0"),
        ("model", '"m"'),
        ("n", '{"model":"inner"}'),
    ]
    (huge,) = top_members('{"n":' + "9" * 10_000 + "}")
    assert huge.value == float("inf")
