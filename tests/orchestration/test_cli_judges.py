"""`lqo judges` and the dry run as a person uses them."""

import json
from pathlib import Path

from ingest.database.url import DatabaseUrl
from tests.orchestration.test_cli import lqo

JUDGE = ("--rubric", "helpfulness", "--model", "gpt-4o-mini", "--secret", "env:OUR_KEY")


def test_a_judge_is_added_shown_and_disabled(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    env = {"DATABASE_URL": warehouse.libpq(), "OUR_KEY": "sk-never-to-be-seen"}

    def judges(*arguments: str) -> str:
        done = lqo(tmp_path, "judges", *arguments, **env)
        assert done.returncode == 0, done
        assert "sk-never" not in done.stdout + done.stderr
        return done.stdout

    assert judges("list").startswith("no judges: nothing is asked and nothing is paid")
    told = judges("policy", "default", "--rate", "0.02", "--minimum", "30", "--usd-per-day", "5")
    assert told.strip() == (
        "policy default: 2.00% of calls, all that fail a rule, at least 30 a day by model, at most 5 $ a day"
    )
    added = judges("add", "helpful", *JUDGE, "--set", "temperature=0.5", "--concurrency", "16")
    assert added.startswith(
        "added helpful: helpfulness by gpt-4o-mini at https://api.openai.com/v1, policy default"
    )
    assert added.splitlines()[1] == told.strip()
    assert "disabled" in judges("disable", "helpful")
    listed = json.loads(judges("list", "--format", "json"))
    (judge,) = listed["judges"]
    assert (judge["is_enabled"], judge["parameters"], judge["concurrency"]) == (
        False,
        {"temperature": 0.5},
        16,
    )
    assert judge["version"].startswith("1.0.0+")
    judges("enable", "helpful")
    assert judges("list").splitlines()[1].split()[:3] == ["helpful", "helpfulness", "enabled"]


def test_policies_come_from_a_yaml_file(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    env = {"DATABASE_URL": warehouse.libpq()}
    file = tmp_path / "policies.yaml"
    file.write_text(
        "default:\n  rate: 0.1\n  strata: [model, prompt]\n  min_per_stratum: 20\n"
        "  max_usd_per_backfill: 12.50\n"
        "safety:\n  rate: 1\n  on_failure: false\n  models: [gpt-4o]\n"
    )

    done = lqo(tmp_path, "judges", "policy", "--file", str(file), **env)

    assert done.stdout.splitlines() == [
        "policy default: 10.00% of calls, all that fail a rule, at least 20 a day by model, prompt,"
        " at most 12.5 $ a backfill",
        "policy safety: 100.00% of calls",
    ]
    file.write_text("default:\n  rates: 0.1\n")
    done = lqo(tmp_path, "judges", "policy", "--file", str(file), **env)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "there is no field 'rates'" in done.stderr


def test_what_cannot_be_is_one_line_and_exit_2(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    env = {"DATABASE_URL": warehouse.libpq()}
    for arguments in (
        ["add", "Bad Name", *JUDGE],
        ["add", "a", "--rubric", "no_such", "--model", "m"],
        ["add", "a", "--rubric", str(tmp_path / "none.md"), "--model", "m"],
        ["add", "a", "--rubric", "tone", "--model", "m", "--secret", "sk-itself"],
        ["add", "a", "--rubric", "tone", "--model", "m", "--base-url", "https://user:pw@host/v1"],
        ["add", "a", "--rubric", "tone", "--model", "m", "--set", "heat=1"],
        ["add", "a", "--rubric", "tone", "--model", "m", "--set", "max_tokens=many"],
        ["disable", "nobody"],
        ["policy", "default", "--rate", "1.5"],
        ["policy", "default", "--strata", "weather"],
        ["policy", "default", "--usd-per-day", "much"],
    ):
        done = lqo(tmp_path, "judges", *arguments, **env)
        assert done.returncode == 2, done
        assert done.stderr.startswith("lqo: ")
        assert done.stderr.count("\n") == 1
        assert "sk-itself" not in done.stderr


def test_a_dry_run_without_a_judge_costs_nothing(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    env = {"DATABASE_URL": warehouse.libpq()}
    days = ("--from", "2026-10-14", "--to", "2026-10-15", "--dry-run")

    done = lqo(tmp_path, "backfill", "judgements", *days, **env)
    assert (done.returncode, done.stdout) == (
        0,
        "no judge is enabled: nothing would be asked and nothing paid\n",
    )
    refused = lqo(tmp_path, "backfill", "rule_scores", *days, **env)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
