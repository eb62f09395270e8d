"""The table of models as `lqo models` changes it."""

from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.access.models import (
    ModelsError,
    add_model,
    enable_model,
    list_models,
    remove_model,
    set_model,
    switch_model,
)
from ingest.access.snapshot import read_version

Table = psycopg.Connection[TupleRow]


def add(table: Table, model: str, **given: Any) -> None:
    add_model(table, "fast", **({"provider": "openai", "model": model} | given))


def order(table: Table) -> list[tuple[str, int]]:
    return [(row.model, row.tier) for row in list_models(table, "fast")]


def test_a_new_target_is_the_last_fallback_with_what_its_provider_is_known_for(table: Table) -> None:
    add(table, "a")
    add(table, "b", provider="mistral", secret_ref="env:KEY")
    first, second = list_models(table, "fast")
    assert (first.position, first.tier, first.wire, first.base_url) == (
        1,
        1,
        "openai",
        "https://api.openai.com/v1",
    )
    assert (second.position, second.tier, second.base_url) == (2, 2, "https://api.mistral.ai/v1")
    assert add_model(table, "c", provider="anthropic", model="c").wire == "anthropic"
    gemini = add_model(table, "g", provider="gemini", model="g")
    assert (gemini.provider, gemini.wire) == ("google", "gemini")
    assert gemini.base_url == "https://generativelanguage.googleapis.com"


def test_switching_moves_one_to_the_front_and_keeps_the_others_together(table: Table) -> None:
    for model, tier in (("a", 1), ("b", 1), ("c", 2), ("d", 3)):
        add(table, model, tier=tier)
    switch_model(table, "fast", model="c")
    assert order(table) == [("c", 1), ("a", 2), ("b", 2), ("d", 3)]
    switch_model(table, "fast", position=1)
    assert order(table) == [("a", 1), ("c", 2), ("b", 3), ("d", 4)]
    switch_model(table, "fast", position=1)
    assert order(table) == [("a", 1), ("c", 2), ("b", 3), ("d", 4)]


def test_every_change_raises_the_version_and_a_refused_one_does_not(table: Table) -> None:
    versions = [read_version(table)]
    for change in (
        lambda: add(table, "a"),
        lambda: set_model(table, "fast", weight=2),
        lambda: enable_model(table, "fast", is_enabled=False),
        lambda: remove_model(table, "fast"),
    ):
        change()
        versions.append(read_version(table))
    assert versions == sorted(set(versions))
    with pytest.raises(ModelsError):
        add(table, "a", weight=0)
    assert read_version(table) == versions[-1]


def test_an_empty_value_takes_an_optional_one_away(table: Table) -> None:
    add(table, "a", secret_ref="env:KEY", deadline_seconds=5.0, max_requests_per_minute=9)
    changed = set_model(table, "fast", secret_ref="", deadline_seconds=0.0, max_requests_per_minute=0)
    assert (changed.secret_ref, changed.deadline_seconds, changed.max_requests_per_minute) == (
        None,
        None,
        None,
    )


def test_a_changed_protocol_takes_its_own_address(table: Table) -> None:
    add(table, "a", provider="anthropic")
    assert set_model(table, "fast", wire="openai").base_url == "https://api.anthropic.com/v1"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"provider": "anthropic"}, "--wire openai reaches anthropic so"),
        ({"wire": "gemini", "base_url": "https://x"}, "falls back only inside one"),
        ({"wire": "grpc"}, "the protocol must be one of openai, anthropic, gemini, azure"),
        ({"provider": "nobody"}, "say the base URL of nobody"),
        ({"provider": "azure", "wire": "azure"}, "say the base URL of azure"),
        ({"base_url": "ftp://x"}, "no http or https URL"),
        ({"base_url": "https://"}, "no http or https URL"),
        ({"base_url": "https://[bad"}, "no http or https URL"),
        ({"base_url": "https://x/한글"}, "no http or https URL"),
        ({"base_url": "https://user:pw@x/v1"}, "the key goes into --secret"),
        ({"base_url": "https://x/v1?key=1"}, "the key goes into --secret"),
        ({"secret_ref": "sk-the-secret-itself"}, "env:NAME or file:/absolute/path, never itself"),
        ({"secret_ref": "file:relative"}, "env:NAME or file:/absolute/path"),
        ({"model": "two words"}, "model must be 1 to 200 printable characters"),
        ({"model": "nul\x00"}, "model must be 1 to 200 printable characters"),
        ({"model": ""}, "model must be 1 to 200 printable characters"),
        ({"provider": "🎈" * 101, "base_url": "https://x"}, "provider must be 1 to 100"),
        ({"weight": 0}, "weight must be 1 to"),
        ({"tier": -1}, "tier must be 1 to"),
        ({"position": 1}, "has a target 1 already"),
        ({"position": 2**31}, "position must be 1 to"),
        ({"deadline_seconds": float("nan")}, "a deadline is above 0"),
        ({"deadline_seconds": 1e9}, "a deadline is above 0"),
        ({"max_tokens_per_minute": -5}, "max tokens per minute must be 1 to"),
    ],
)
def test_what_no_proxy_could_use_is_refused_in_one_line(
    table: Table, given: dict[str, Any], message: str
) -> None:
    add(table, "a")
    with pytest.raises(ModelsError) as raised:
        add_model(table, "fast", **({"provider": "openai", "model": "b"} | given))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "sk-the" not in str(raised.value)
    assert order(table) == [("a", 1)]


def test_a_target_must_be_named_where_there_are_several(table: Table) -> None:
    add(table, "a")
    assert set_model(table, "fast", weight=2).weight == 2
    add(table, "b")
    for change in (
        lambda: set_model(table, "fast", weight=3),
        lambda: set_model(table, "fast", position=9, weight=3),
        lambda: set_model(table, "nope", weight=3),
        lambda: set_model(table, "fast", position=1),
        lambda: switch_model(table, "fast", model="c"),
        lambda: remove_model(table, "fast", position=3),
        lambda: list_models(table, "nope"),
    ):
        with pytest.raises(ModelsError):
            change()
    enable_model(table, "fast", position=2, is_enabled=False)
    with pytest.raises(ModelsError, match="is disabled; enable it first"):
        switch_model(table, "fast", position=2)
    assert [row.position for row in remove_model(table, "fast")] == [1, 2]
    assert list_models(table) == []
