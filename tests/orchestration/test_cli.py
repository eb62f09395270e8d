import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from tests.warm.python import warm_python

VERBS = [each.name for each in (*app.registered_commands, *app.registered_groups)]


def lqo(
    home: Path, *arguments: str, python: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the command; `python` is one that has everything imported, or `sys.executable`."""
    return subprocess.run(
        [python or warm_python("lqo"), "-m", "orchestration", *arguments],
        env={**os.environ, "LQO_HOME": str(home), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.stdout


def test_the_command_itself_says_its_verbs(tmp_path: Path) -> None:
    done = lqo(tmp_path, "--help", python=sys.executable)
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS if verb)


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["sql"],
        ["sql", "--format", "xml", "select 1"],
        ["import", "no-such-file.jsonl"],
        ["import", "."],
        ["import", ""],
        ["prices", "import", "no-such-file.csv"],
        ["prices", "import", "."],
        ["backfill", "rule_scores", "--from", "yesterday", "--to", "2026-11-02"],
        ["backfill", "rule_scores", "--from", "2026-11-03", "--to", "2026-11-02"],
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments: list[str], tmp_path: Path) -> None:
    done = lqo(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("lqo: ")
    assert done.stderr.count("\n") == 1
    assert not done.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [("LQO_START", "soon"), ("LQO_SPOOL_KEEP", "-1"), ("LQO_SPOOL_KEEP", "long")],
)
def test_a_bad_setting_is_one_line_and_exit_2(name: str, value: str, tmp_path: Path) -> None:
    done = lqo(tmp_path, "status", **{name: value})
    assert done.returncode == 2
    assert name in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_database_that_is_away_is_one_line_and_exit_1(tmp_path: Path) -> None:
    done = lqo(tmp_path, "sql", "select 1", DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/none")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


def test_the_version_is_printed(tmp_path: Path) -> None:
    done = lqo(tmp_path, "--version", python=sys.executable)
    assert done.returncode == 0
    assert done.stdout.startswith("lqo ")


@pytest.mark.parametrize("verb", ["proxy", "loader"])
def test_the_proxy_and_the_loader_load_no_orchestration(verb: str) -> None:
    module = {"proxy": "ingest.proxy.server", "loader": "ingest.loader"}[verb]
    code = (
        "import sys, orchestration.cli, " + module + "\n"
        "heavy = {'dagster', 'dbt', 'pandas', 'polars', 'evidently'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
