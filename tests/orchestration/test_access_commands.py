"""`lqo keys`, `limits` and `budgets` against a real database."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.access.keys import hash_of
from ingest.access.limit_rows import set_budget
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.warm.python import warm_python


class Lqo:
    def __init__(self, home: Path, url: str) -> None:
        self._env = {**os.environ, "LQO_HOME": str(home), "DATABASE_URL": url}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [warm_python("lqo"), "-m", "orchestration", *arguments],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def out(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def rows(self, *arguments: str) -> list[dict[str, object]]:
        return json.loads(self.out(*arguments, "list", "--format", "json"))


@pytest.fixture
def lqo(tmp_path: Path, warehouse: DatabaseUrl) -> Lqo:
    return Lqo(tmp_path, warehouse.psycopg())


def test_a_key_is_made_replaced_and_revoked(lqo: Lqo, warehouse: DatabaseUrl) -> None:
    made = lqo.out("keys", "create", "--owner", "김철수 🎈", "--models", "fast, smart", "--expires", "30d")
    assert made.startswith("lqo_")
    assert made.count("\n") == 0
    (first,) = lqo.rows("keys")
    assert (first["owner"], first["allowed_models"], first["state"]) == (
        "김철수 🎈",
        ["fast", "smart"],
        "active",
    )
    rotated = lqo.out("keys", "rotate", made[:10], "--overlap", "2h")
    assert rotated not in ("", made)
    assert "is revoked" in lqo.out("keys", "revoke", str(first["key_id"]))
    assert [row["state"] for row in lqo.rows("keys")] == ["revoked", "active"]
    with connect(warehouse) as connection:
        kept = connection.execute("select secret_hash from access.api_keys order by created_at").fetchall()
        text = connection.execute(
            "select string_agg(to_jsonb(api_keys)::text, '') from access.api_keys"
        ).fetchone()
    assert [bytes(row[0]) for row in kept] == [hash_of(made.encode()), hash_of(rotated.encode())]
    assert text is not None
    assert made not in text[0]


def test_limits_and_budgets_are_set_changed_and_lifted(lqo: Lqo) -> None:
    made = lqo.out("keys", "create", "--owner", "o")
    lqo.out("keys", "rotate", made[:10])
    older, newer = (str(row["key_id"]) for row in lqo.rows("keys"))
    lqo.out("limits", "set", "key", newer, "--requests", "60", "--tokens", "90000")
    lqo.out("limits", "set", "key", older, "--requests", "30")
    lqo.out("limits", "set", "ip", "2001:db8::7", "--requests", "5")
    assert lqo.rows("limits") == [
        {"scope": "ip", "subject": "2001:db8::/64", "requests_per_minute": 5, "tokens_per_minute": None},
        {"scope": "key", "subject": older, "requests_per_minute": 30, "tokens_per_minute": None},
    ]
    lqo.out("budgets", "set", "user", "이영희", "--usd", "5")
    (before,) = lqo.rows("budgets")
    lqo.out("budgets", "set", "user", "이영희", "--usd", "12.5")
    (after,) = lqo.rows("budgets")
    assert after["budget_id"] == before["budget_id"]
    assert after["limit_usd"] == "12.500000"
    lqo.out("budgets", "remove", "user", "이영희")
    lqo.out("limits", "remove", "ip", "2001:db8::/64")
    assert lqo.rows("budgets") == []
    assert len(lqo.rows("limits")) == 1


def test_what_is_left_of_budgets_is_shown_once_the_marts_are_built(
    lqo: Lqo, modelled_warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    unbuilt = lqo.run("budgets", "status")
    assert (unbuilt.returncode, unbuilt.stderr.count("\n")) == (1, 1)
    assert "the marts are not built yet" in unbuilt.stderr
    with connect(modelled_warehouse) as connection:
        set_budget(connection, "user", "이영희 🎈", period="month", limit_usd=Decimal("12.5"))
    built = Lqo(tmp_path, modelled_warehouse.psycopg())
    (row,) = json.loads(built.out("budgets", "status", "--format", "json"))
    assert (row["subject"], row["limit_usd"], row["spent_usd"]) == ("이영희 🎈", "12.5", "0")
    assert (row["share_spent"], row["state"], row["projected_breach_at"]) == (0.0, "within", None)


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "create"],
        ["keys", "create", "--owner", " "],
        ["keys", "create", "--owner", "a\nb"],
        ["keys", "create", "--owner", "o", "--expires", "yesterday"],
        ["keys", "create", "--owner", "o", "--expires", "2001-01-01"],
        ["keys", "create", "--owner", "o", "--models", " , "],
        ["keys", "rotate", "key_1", "--overlap", "-1h"],
        ["limits", "set", "key", "k"],
        ["limits", "set", "key", "k", "--requests", "0"],
        ["limits", "set", "ip", "1.2.3.4.5", "--requests", "1"],
        ["limits", "set", "team", "x", "--requests", "1"],
        ["budgets", "set", "key", "k", "--usd", "NaN"],
        ["budgets", "set", "key", "k", "--usd", "-1"],
        ["budgets", "set", "key", "k", "--usd", "0.0000001"],
        ["budgets", "set", "ip", "1.2.3.4", "--usd", "1"],
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments: list[str], tmp_path: Path) -> None:
    done = Lqo(tmp_path, "postgresql://nobody@127.0.0.1:1/none").run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("lqo: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["keys", "revoke", "key_x"], ["limits", "remove", "key", "x"], ["budgets", "remove", "key", "x"]],
)
def test_what_is_not_there_is_one_line_and_exit_1(lqo: Lqo, arguments: list[str]) -> None:
    done = lqo.run(*arguments)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_proxy_without_a_database_of_its_own_has_the_change_when_the_command_ends(tmp_path: Path) -> None:
    """Nothing but the command keeps the embedded server running, and that only as long as it takes."""
    home = tmp_path / "home"
    env = {**os.environ, "LQO_HOME": str(home), "LQO_AUTH": "keys"}
    env.pop("DATABASE_URL", None)

    def lqo(*arguments: str) -> str:
        command = [sys.executable, "-m", "orchestration", *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout.strip()

    def status(key: str) -> int:
        request = urllib.request.Request(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    proxy = subprocess.Popen(
        [sys.executable, "-m", "orchestration", "proxy", "--port", "0"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert proxy.stdout is not None
        url = next(line for line in proxy.stdout if line.startswith("http://")).strip()
        assert status("lqo_any") == 503
        key = lqo("keys", "create", "--owner", "o")
        assert status(key) == 200
        lqo("keys", "revoke", key[:10])
        assert status(key) == 401
    finally:
        proxy.terminate()
        proxy.communicate(timeout=60)
