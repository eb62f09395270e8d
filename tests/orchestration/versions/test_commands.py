"""`lqo scores import` and `lqo evaluators` as a person uses them."""

import json
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from tests.orchestration.seeding import DAY_START, add_calls, rows
from tests.orchestration.test_cli import lqo

Connection = psycopg.Connection[TupleRow]


def test_from_two_files_of_scores_to_a_promoted_version(
    tmp_path: Path, warehouse: DatabaseUrl, connection: Connection
) -> None:
    with connection.transaction():
        add_calls(connection, 240)
    ids = [str(key) for (key,) in rows(connection, "select call_id from raw.llm_calls order by started_at")]
    day = DAY_START.date().isoformat()

    def run(*arguments: str, code: int = 0) -> tuple[str, str]:
        done = lqo(tmp_path, *arguments, DATABASE_URL=warehouse.libpq())
        assert done.returncode == code, done
        return done.stdout, done.stderr

    old, new = tmp_path / "old.jsonl", tmp_path / "new.csv"
    old.write_text("".join(json.dumps({"call_id": key, "value": 4}) + "\n" for key in ids) + "oops\n")
    new.write_text("call_id,value\n" + "".join(f"{key},{3 + n % 2}\n" for n, key in enumerate(ids)))
    said = ("--evaluator", "helpfulness", "--version")

    out, err = run("scores", "import", str(old), *said, "gpt-4o-2024-05-13")
    assert out == "helpfulness@gpt-4o-2024-05-13 (active): landed 240  already there 0  rejected 1\n"
    assert err == "  1 × no JSON\n  line 241: no JSON\n"
    out, _ = run("scores", "import", str(new), *said, "gpt-4o-2024-08-06")
    assert out.startswith("helpfulness@gpt-4o-2024-08-06 (draft): landed 240")
    assert "lqo evaluators promote helpfulness@gpt-4o-2024-08-06" in out

    _, err = run("evaluators", "promote", "gpt-4o-2024-08", "--from", day, code=2)
    assert "shares 0 bridged calls" in err and err.count("\n") == 1
    out, _ = run("evaluators", "bridge", "gpt-4o-2024-08", "--json")
    found = json.loads(out)
    assert (found["n_shared"], found["n_flips"], found["shift"]["value"]) == (240, 120, -0.5)
    assert Path(found["page"]).read_text().startswith("<!doctype html>")
    out, _ = run("evaluators", "bridge", "gpt-4o-2024-08")
    assert "shared calls 240" in out and "shift -0.500" in out

    out, _ = run("evaluators", "promote", "gpt-4o-2024-08", "--from", day)
    assert out.startswith(f"helpfulness@gpt-4o-2024-08-06 is current from {day} on\n1 days that were over")
    out, _ = run("evaluators", "promote", "gpt-4o-2024-08", "--from", day)
    assert out.endswith("on already; nothing changed\n")

    listed = json.loads(run("evaluators", "list", "--json")[0])
    assert [(each["version"], each["status"], each["current"]) for each in listed] == [
        ("gpt-4o-2024-05-13", "retired", [f"since ever until {day}"]),
        ("gpt-4o-2024-08-06", "active", [f"from {day}"]),
    ]
    shown, _ = run("evaluators", "show", "helpfulness@gpt-4o-2024-08")
    assert "240 shared calls" in shown and f"shadow-scored: {day}" in shown
    out, _ = run("evaluators", "retire", "helpfulness@gpt-4o-2024-08")
    assert "judges no call of" in out


def test_what_cannot_be_is_one_line_and_exit_2(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    empty = tmp_path / "scores.csv"
    empty.write_text("a,b\n1,2\n")
    for arguments in (
        ["evaluators", "promote", "nobody@1", "--from", "2026-11-01"],
        ["evaluators", "promote", "nobody@1", "--from", "soon"],
        ["evaluators", "shadow", "x", "--from", "2026-11-02", "--to", "2026-11-01"],
        ["evaluators", "bridge", "nobody@1"],
        ["scores", "import", str(tmp_path / "none.jsonl"), "--evaluator", "a", "--version", "1"],
        ["scores", "import", str(empty), "--evaluator", "a b", "--version", "1"],
        ["scores", "import", str(empty), "--evaluator", "a", "--version", "1"],
    ):
        done = lqo(tmp_path, *arguments, DATABASE_URL=warehouse.libpq())
        assert done.returncode == 2, done
        assert done.stderr.startswith("lqo: ") and done.stderr.count("\n") == 1, done


def test_without_versions_the_list_says_so(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    done = lqo(tmp_path, "evaluators", "list", DATABASE_URL=warehouse.libpq())
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "no versions yet")
