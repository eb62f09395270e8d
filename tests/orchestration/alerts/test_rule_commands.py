"""`lqo alerts check` and `lqo alerts rules`, as people run them."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ingest.database.url import DatabaseUrl
from tests.orchestration.alerts.conftest import SHIPPED
from tests.warm.python import warm_python

RULE = """\
version: 1
rules:
  - name: 훔쳐보기
    summary: s
    why: w
    metric: {type: sql, query: "select count(*) as value, 1 as n from raw.llm_bodies"}
    window: {type: rolling, span: 1h}
    condition: {type: threshold, above: 0}
    severity: info
    owner: me
"""


@pytest.fixture
def environment(tmp_path: Path, alert_warehouse: DatabaseUrl) -> dict[str, str]:
    (tmp_path / "alerts").mkdir()
    found = {**os.environ, "LQO_HOME": str(tmp_path), "DATABASE_URL": alert_warehouse.libpq()}
    found.pop("LQO_ALERTS", None)
    return found


def lqo(environment: dict[str, str], *arguments: str) -> tuple[int, str, list[str]]:
    done = subprocess.run(
        [warm_python("lqo"), "-m", "orchestration", "alerts", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


def test_check_tells_all_faults_of_files_and_of_their_sql(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "alerts" / "내 규칙.yaml"
    file.write_text(RULE.replace("훔쳐보기", "peeping") + RULE.partition("rules:\n")[2])

    code, told, faults = lqo(environment, "check")

    assert (code, told) == (2, "")
    assert faults == [
        f"{file}:11: 훔쳐보기.name: must be a name of at most 63 lower-case letters, digits and _ that begins"
        " with a letter",
        f"{file}:6: peeping.metric.query: permission denied for schema raw",
        f"lqo: 2 faults in alert rules; {len(SHIPPED) + 1} could be read",
    ]


def test_check_of_what_is_right_says_how_many_and_how(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "alerts" / "mine.yaml"
    file.write_text(RULE.replace("훔쳐보기", "peeping").replace("raw.llm_bodies", "marts.calls"))

    assert lqo(environment, "check", str(file)) == (0, "1 alert rule (planned against the warehouse)\n", [])
    gone = tmp_path / "no.yaml"
    assert lqo(environment, "check", str(gone)) == (2, "", [f"lqo: there is no {gone}"])


def test_rules_says_what_is_in_force_and_where_it_stands(environment: dict[str, str], tmp_path: Path) -> None:
    text = RULE.replace("훔쳐보기", "secret_leak") + "    enabled: false\n"
    (tmp_path / "alerts" / "mine.yaml").write_text(text)

    code, told, faults = lqo(environment, "rules", "--format", "json")

    rows = {row["rule"]: row for row in json.loads(told)}
    assert (code, faults, rows.keys()) == (0, [], SHIPPED.keys())
    mine = rows["secret_leak"]
    assert (mine["is_on"], mine["origin"]) == (False, "yours, for a shipped one")
    assert mine["place"] == f"{tmp_path}/alerts/mine.yaml:3"
    assert rows["failing_share"]["place"] == "quality.yaml:4"
