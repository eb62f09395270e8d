"""Which names mean one model."""

import pytest

from evaluators.judging.models import is_same_model


@pytest.mark.parametrize(
    ("judge", "judged"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("openai/gpt-4o-2024-11-20", "GPT-4o"),
        ("gpt-4-0613", "gpt-4"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "anthropic/claude-3-5-sonnet@20240620"),
        ("models/gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("qwen/qwen-2.5-72b-instruct:free", "qwen-2.5-72b-instruct"),
    ],
)
def test_host_snapshot_and_alias_do_not_make_another_model(judge: str, judged: str) -> None:
    assert is_same_model(judge, [judged])
    assert is_same_model(judged, ["another", judge])


@pytest.mark.parametrize(
    ("judge", "judged"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4", "gpt-4o"),
        ("gpt-4", "gpt-4.1"),
        ("llama3:8b", "llama3:70b"),
        ("claude-3-5-sonnet-20241022", "claude-3-5-haiku-20241022"),
        ("gemini-2.0-flash", "gemini-2.5-flash"),
        ("judge-1", ""),
    ],
)
def test_another_size_or_generation_is_another_model(judge: str, judged: str) -> None:
    assert not is_same_model(judge, [judged])


def test_a_call_without_a_known_model_is_nobodys_own() -> None:
    assert not is_same_model("gpt-4o", [])
