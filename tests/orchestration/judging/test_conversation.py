"""What was said before an answer, out of every provider's request."""

import json

import pytest

from evaluators.judging.items import Message
from orchestration.judging.conversation import conversation_of

SYSTEM, USER, ANSWER = Message("system", "Be brief."), Message("user", "안녕 🙂"), Message("assistant", "네")
REQUESTS = {
    "chat": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "안녕 🙂"}, {"type": "image_url"}]},
            {"role": "assistant", "content": "네"},
        ]
    },
    "responses": {
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "안녕 🙂"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "네"}]},
        ],
    },
    "anthropic": {
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": "안녕 🙂"}, {"role": "assistant", "content": "네"}],
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "안녕 🙂"}]},
            {"role": "assistant", "parts": [{"text": "네"}]},
        ],
    },
}


@pytest.mark.parametrize("provider", REQUESTS)
def test_a_conversation_reads_the_same_from_every_provider(provider: str) -> None:
    request = json.dumps(REQUESTS[provider]).encode()

    assert conversation_of(request, input_text="안녕 🙂") == (SYSTEM, USER, ANSWER)


def test_a_plain_prompt_and_a_plain_input_are_one_turn() -> None:
    for request in ({"prompt": "안녕 🙂"}, {"input": "안녕 🙂"}):
        assert conversation_of(json.dumps(request).encode(), input_text=None) == (USER,)


def test_calls_of_tools_and_what_they_gave_are_turns() -> None:
    request = {
        "messages": [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "42"},
            {"role": "assistant", "content": [{"type": "tool_use", "name": "g", "input": {"a": 1}}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "content": [{"type": "text", "text": "7"}]}],
            },
        ]
    }

    assert conversation_of(json.dumps(request).encode(), input_text=None) == (
        Message("assistant", "f({})"),
        Message("tool", "42"),
        Message("assistant", 'g({"a":1})'),
        Message("user", "7"),
    )


@pytest.mark.parametrize(
    "request_", [None, b"", b"no JSON", b"[1, 2]", b'{"messages": 3}', b'{"messages": [7]}']
)
def test_a_request_that_tells_nothing_leaves_the_last_user_message(request_: bytes | None) -> None:
    assert conversation_of(request_, input_text="안녕 🙂") == (USER,)
    assert conversation_of(request_, input_text=None) == ()
