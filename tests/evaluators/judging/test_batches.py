"""Lines of batch files: what is written, what is read back, what is nobody's."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.judging.batches import (
    Executed,
    NotExecuted,
    Unreadable,
    content_of,
    custom_id,
    read_result,
    request_line,
)

VERSION = "1.0.0+0123456789ab"
CONTENT = sha256(b"content").digest()


def line(**members: object) -> bytes:
    return json.dumps({"id": "batch_req_1", "custom_id": "c", **members}).encode()


@given(st.binary(min_size=32, max_size=32))
def test_a_custom_id_leads_back_to_its_content(content: bytes) -> None:
    made = custom_id(content, version=VERSION)
    assert content_of(made, version=VERSION) == content
    assert len(made) <= 64
    assert made.isascii()


def test_two_judges_and_two_contents_never_share_a_custom_id() -> None:
    other = sha256(b"other").digest()
    versions = (VERSION, "1.0.0+ba9876543210")
    assert len({custom_id(content, version=v) for content in (CONTENT, other) for v in versions}) == 4


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "request-1",
        "0123456789ab",
        "0123456789ab.",
        custom_id(CONTENT, version="1.0.0+ba9876543210"),
        custom_id(CONTENT, version=VERSION) + "A",
        custom_id(CONTENT, version=VERSION)[:-1],
        custom_id(CONTENT, version=VERSION)[:-1] + "!",
        custom_id(CONTENT, version=VERSION).upper(),
        "0123456789ab." + "한" * 43,
    ],
)
def test_a_foreign_custom_id_is_nobodys(foreign: str) -> None:
    assert content_of(foreign, version=VERSION) is None


def test_a_second_spelling_of_a_custom_id_is_foreign() -> None:
    made = custom_id(b"\xff" * 32, version=VERSION)
    twin = made[:-1] + chr(ord(made[-1]) + 1)
    assert content_of(made, version=VERSION) == b"\xff" * 32
    assert content_of(twin, version=VERSION) is None, "base64 leaves two bits of the last character open"


def test_a_request_is_one_line_whatever_its_text_holds() -> None:
    text = 'line\nnext\r\u2028 "quoted" 한국어 🎈 \x00'
    written = request_line("c", body={"model": "m", "messages": [{"role": "user", "content": text}]})
    assert written.count(b"\n") == 1 and written.endswith(b"\n")
    read = json.loads(written)
    assert read["body"]["messages"][0]["content"] == text
    assert (read["method"], read["url"]) == ("POST", "/v1/chat/completions")


def test_half_a_surrogate_pair_does_not_spoil_the_file() -> None:
    written = request_line("c", body={"model": "m", "messages": [{"role": "user", "content": "a\ud800b"}]})
    assert json.loads(written.decode("utf-8"))["body"]["messages"][0]["content"] == "a?b"


def test_an_executed_request_keeps_its_body_byte_for_byte() -> None:
    body = b'{"usage": {"prompt_tokens": 1},  "x": 1.50}'
    given = b'{"custom_id": "c", "response": {"status_code": 200, "body": ' + body + b'}, "error": null}'
    assert read_result(given) == Executed("c", 200, body)


def test_a_rejected_request_is_executed_with_its_status() -> None:
    body = {"error": {"code": "context_length_exceeded", "message": "too long"}}
    found = read_result(line(response={"status_code": 400, "body": body}, error=None))
    assert isinstance(found, Executed)
    assert (found.status, json.loads(found.body)) == (400, body)


@pytest.mark.parametrize(
    ("code", "is_cancelled"), [("batch_expired", False), ("batch_cancelled", True), (500, False)]
)
def test_a_request_without_its_turn_says_why(code: str | int, is_cancelled: bool) -> None:
    found = read_result(line(response=None, error={"code": code, "message": "not executed"}))
    assert found == NotExecuted("c", str(code), "not executed", is_cancelled=is_cancelled)


def test_a_line_without_response_and_error_was_not_executed() -> None:
    found = read_result(line(response=None, error=None))
    assert isinstance(found, NotExecuted) and found.code == "no_response"


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"{",
        line(response={"status_code": 200, "body": {"choices": []}})[:-9],
        b"[]",
        b"null",
        b'{"custom_id": 7}',
        b'{"response": null}',
        b"\xff\xfe",
        b'{"custom_id": "c", "response": ' + b"[" * 100_000,
    ],
)
def test_a_spoiled_line_is_unreadable_and_nothing_worse(spoiled: bytes) -> None:
    assert isinstance(read_result(spoiled), Unreadable)
