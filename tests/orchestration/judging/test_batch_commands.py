"""Batches as a person asks for them."""

import json
from pathlib import Path

from ingest.database.url import DatabaseUrl
from tests.orchestration.test_cli import lqo

JUDGE = ("--rubric", "helpfulness", "--model", "gpt-4o-mini", "--secret", "env:OUR_KEY")


def test_a_judge_is_added_for_batches_and_changes_sides(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    env = {"DATABASE_URL": warehouse.libpq(), "OUR_KEY": "sk-never-to-be-seen"}

    def judges(*arguments: str) -> str:
        done = lqo(tmp_path, "judges", *arguments, **env)
        assert done.returncode == 0, done
        return done.stdout

    def told() -> tuple[str, str]:
        (judge,) = json.loads(judges("list", "--format", "json"))["judges"]
        return judge["processing"], judge["version"]

    judges("add", "helpful", *JUDGE, "--batch")
    way, version = told()
    assert way == "batch"
    assert judges("processing", "helpful", "direct").startswith("direct: helpful")
    assert told() == ("direct", version), "the way of asking changes no verdict, and no version"

    unknown = lqo(tmp_path, "judges", "processing", "nobody", "batch", **env)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "there is no judge 'nobody'" in unknown.stderr
    wrong = lqo(tmp_path, "judges", "processing", "helpful", "sometimes", **env)
    assert wrong.returncode == 2
