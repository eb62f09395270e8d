"""`lqo models` as a person uses it."""

import json
from pathlib import Path

from ingest.database.url import DatabaseUrl
from tests.orchestration.test_cli import lqo


def test_a_model_is_added_shown_switched_and_removed(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    env = {"DATABASE_URL": warehouse.libpq(), "OUR_KEY": "sk-never-to-be-seen"}

    def models(*arguments: str) -> str:
        done = lqo(tmp_path, "models", *arguments, **env)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert "sk-never" not in done.stdout
        return done.stdout

    assert models("list").startswith("no models: every call passes straight to its provider")
    given = ("--provider", "openai", "--model", "gpt-4o-mini", "--secret", "env:OUR_KEY")
    assert models("add", "fast", *given).startswith("added fast/1: openai gpt-4o-mini at https://api.openai")
    models("add", "fast", "--provider", "openai", "--model", "gpt-4o", "--weight", "3")
    assert models("switch", "fast", "--model", "gpt-4o").startswith("first is fast/2: openai gpt-4o at")
    models("set", "fast", "1", "--deadline", "20")
    models("disable", "fast", "1")
    listed = json.loads(models("list", "--format", "json"))
    assert [(row["model"], row["tier"], row["is_enabled"]) for row in listed] == [
        ("gpt-4o", 1, True),
        ("gpt-4o-mini", 2, False),
    ]
    assert listed[1]["deadline_seconds"] == 20
    table = models("list").splitlines()
    assert table[0].split()[:4] == ["alias", "target", "tier", "weight"]
    assert "env:OUR_KEY" in table[2]
    assert models("remove", "fast").count("removed fast/") == 2


def test_what_cannot_be_is_one_line_and_exit_2(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    env = {"DATABASE_URL": warehouse.libpq()}
    for arguments in (
        ["add", "fast", "--provider", "openai"],
        ["add", "fast", "--provider", "openai", "--model", "m", "--secret", "sk-itself"],
        ["switch", "fast"],
        ["set", "nope", "--weight", "2"],
        ["remove", "nope"],
        ["list", "--format", "xml"],
    ):
        done = lqo(tmp_path, "models", *arguments, **env)
        assert done.returncode == 2, done
        assert done.stderr.startswith("lqo: ")
        assert done.stderr.count("\n") == 1
        assert "sk-itself" not in done.stderr


def test_a_note_says_what_the_proxy_will_miss(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    given = ("--provider", "vllm", "--base-url", "http://10.0.0.7:8000", "--model", "own-model")
    done = lqo(
        tmp_path, "models", "add", "own", *given, "--secret", "env:NO_SUCH", DATABASE_URL=warehouse.libpq()
    )
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "note: here, the environment variable NO_SUCH is not set; the proxy needs it where it runs",
        "note: own-model has no price yet (`lqo prices import`)",
    ]
