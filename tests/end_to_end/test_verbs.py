import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("demo")


def lqo(demo: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "-m", "orchestration", *arguments],
        env={**environment, "LQO_HOME": str(demo.settings.home)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_doctor_finds_nothing_to_mend(demo: Any) -> None:
    done = lqo(demo, "doctor")
    assert done.returncode == 0, done.stdout
    assert "all is well" in done.stdout
    assert "BAD" not in done.stdout


def test_the_status_counts_what_landed(demo: Any) -> None:
    done = lqo(demo, "status")
    landed = demo.second["landed"]
    assert done.returncode == 0
    ways = ("n_imported", "n_through_proxy", "n_of_judges")
    assert f"{sum(landed[way] for way in ways)}" in done.stdout
    assert "judges                      0 enabled, 1 disabled" in done.stdout


def test_importing_the_same_file_again_lands_nothing(demo: Any) -> None:
    done = lqo(demo, "import", str(demo.settings.home / "demo" / "traffic.jsonl"))
    assert done.returncode == 0
    assert done.stdout.startswith("landed 0 ")
    assert "rejected 0 " in done.stdout


def test_importing_the_same_prices_again_changes_nothing(demo: Any) -> None:
    done = lqo(demo, "prices", "import", str(demo.settings.home / "demo" / "prices.csv"))
    assert done.returncode == 0
    assert done.stdout.startswith("added 0 ")


def test_the_reader_reads_marts_but_no_bodies(demo: Any) -> None:
    marts = lqo(demo, "sql", "select count(*) as n from marts.calls", "--format", "json")
    assert json.loads(marts.stdout) == [{"n": demo.second["landed"]["n_marts"]}]
    bodies = lqo(demo, "sql", "select * from raw.llm_bodies limit 1")
    assert bodies.returncode == 1
    assert bodies.stderr == "lqo: permission denied for table llm_bodies\n"


@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")
def test_psql_accepts_the_url(demo: Any) -> None:
    url = lqo(demo, "db-url").stdout.strip()
    query = ["psql", url, "-tAc", "select count(*) from marts.calls"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == str(demo.second["landed"]["n_marts"]), done.stderr


@pytest.mark.slow
def test_a_backfill_from_the_command_line_is_waited_for(demo: Any) -> None:
    day = max(line["day"] for line in demo.second["regression"] if line["verdict"] == "worse")
    done = lqo(demo, "backfill", "rule_scores", "charges", "--from", day, "--to", day)
    assert done.returncode == 0, done.stderr
    assert "2 assets over 1 days: done" in done.stdout


def test_a_backfill_of_an_unknown_asset_is_one_line(demo: Any) -> None:
    done = lqo(demo, "backfill", "scores_of_rules", "--from", "2026-11-01", "--to", "2026-11-01")
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "scores_of_rules" in done.stderr
