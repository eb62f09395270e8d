import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.masking import Clock, Masker, MaskingError
from evaluators.masking_json import mask_json

SECRETS = ("kim.hong@naver.com", "010-1234-5678", "4111 1111 1111 1111", "900101-1234568")
MARKS = ("[email]", "[phone]", "[card]", "[resident]")


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def _escaped(found: re.Match[str]) -> str:
    """A JSON string with every sign as an escape."""
    units = json.loads(found[0]).encode("utf-16-be")
    return '"' + "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)) + '"'


def masked(document: Any, **options: Any) -> Any:
    return json.loads(mask_json(json.dumps(document, **options).encode(), Masker(), clock=Clock(10)))


def mask_bytes(data: bytes) -> bytes:
    return mask_json(data, Masker(), clock=Clock(10))


@given(
    st.recursive(
        st.sampled_from(SECRETS) | st.sampled_from([True, None, 1, 1.5, "안녕 👋", 'say "hi"\n']),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*SECRETS, "a", "b"]), inner, max_size=3)
            | inner.map(json.dumps)
            | st.tuples(st.sampled_from(["", "전화 ", "x: "]), inner).map(lambda pair: f"{pair[0]}{pair[1]}")
        ),
        max_leaves=8,
    ),
    st.booleans(),
)
def test_no_secret_survives_in_any_nesting_or_escape(document: Any, is_escaped: bool) -> None:
    text = json.dumps(document, ensure_ascii=False)
    data = (_STRING.sub(_escaped, text) if is_escaped else text).encode()
    out = mask_bytes(data)
    assert out
    text = json.dumps(json.loads(out), ensure_ascii=False)
    assert [secret for secret in SECRETS if secret in text or secret in out.decode()] == []


def test_the_rest_of_a_document_keeps_its_shape() -> None:
    document = {"a": [1, -2.5, True, None, "안녕 👋"], "b": {"c": "kim@naver.com", "d": {}}, "e": []}
    assert masked(document) == {**document, "b": {"c": "[email]", "d": {}}}


def test_members_that_stand_twice_are_both_masked_and_numbers_keep_their_digits() -> None:
    data = b'{"a":"a@b.kr","a":1.10,"a@b.kr":1e400,"n":12345678901234567890123}'
    assert mask_bytes(data) == b'{"a":"[email]","a":1.10,"[email]":1e400,"n":12345678901234567890123}'


def test_a_card_as_a_bare_number_is_masked() -> None:
    assert masked({"card": 4111111111111111, "at": 1700000000}) == {"card": "[card]", "at": 1700000000}


def test_tool_arguments_are_masked_inside() -> None:
    arguments = '{"phone": "\\u0030\\u0031\\u0030-1234-5678", "deep": "[\\"kim@naver.com\\"]"}'
    out = masked({"arguments": arguments})
    assert json.loads(out["arguments"]) == {"phone": "[phone]", "deep": '["[email]"]'}


@pytest.mark.parametrize(
    "unseen",
    [
        {"url": "data:image/png;base64," + "iVBORw0KGgo" * 30},
        {"data": "QUJD" * 100 + "=="},
        {"embedding": [0.1] * 1536},
        {"logprobs": {"content": [{"token": "010"}, {"token": "-1234"}]}},
    ],
)
def test_what_no_mask_can_read_is_not_kept(unseen: dict[str, Any]) -> None:
    out = masked(unseen)
    assert "[data]" in json.dumps(out)
    assert len(json.dumps(out)) < 80


def test_a_number_cut_into_parts_is_masked_whole() -> None:
    parts = [{"type": "text", "text": "010-12"}, {"type": "image"}, {"type": "text", "text": "34-5678 ok"}]
    texts = [part.get("text") for part in masked({"content": parts})["content"]]
    assert texts == ["[phone] ok", None, ""]
    apart = [{"text": "1"}, {"text": "2"}]
    assert masked(apart) == apart


def test_logprobs_of_a_request_are_a_switch_and_stay() -> None:
    assert masked({"logprobs": True, "top_logprobs": 5}) == {"logprobs": True, "top_logprobs": 5}


@pytest.mark.parametrize(
    "data",
    [b"", b"not json 010-1234-5678", b'{"a":"010-1234-5678', b"\xff\xfe{}", b"[" * 200_000, b'{"a":"\xff"}'],
)
def test_what_is_not_json_is_not_kept(data: bytes) -> None:
    assert mask_bytes(data) == b""


def test_lone_surrogates_and_a_byte_order_mark_are_no_obstacle() -> None:
    assert mask_bytes(b'\xef\xbb\xbf{"a":"\\ud800 a@b.kr"}') == b'{"a":"\\ud800 [email]"}'


def test_a_document_that_takes_too_long_is_given_up() -> None:
    data = json.dumps(["1 2 3 4 5 6 7 8 9 10"] * 50_000).encode()
    with pytest.raises(MaskingError):
        mask_json(data, Masker(), clock=Clock(0.05))
