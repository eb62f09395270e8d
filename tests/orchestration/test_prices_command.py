"""`lqo prices` as a person uses it."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ingest.database.url import DatabaseUrl
from orchestration.commands.errors import UserError
from orchestration.commands.prices import app


def run(database_url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"DATABASE_URL": database_url})


def test_a_price_is_set_corrected_listed_and_its_history_kept(warehouse: DatabaseUrl) -> None:
    def prices(*arguments: str) -> str:
        done = run(warehouse.libpq(), *arguments)
        assert done.exit_code == 0, done
        return done.stdout + done.stderr

    prices("set", "house-*", "input_uncached", "2.50", "--from", "2026-01-01", "--provider", "acme")
    prices("set", "house-*", "input_uncached", "3", "--from", "2026-06-01", "--provider", "acme")
    before_correction = datetime.now(UTC).isoformat()
    said = prices("set", "house-*", "input_uncached", "2.75", "--from", "2026-01-01", "--provider", "acme")
    assert "it holds until 2026-06-01 00:00, when the next price begins" in said
    assert "added 1  unchanged 0  superseded 1" in said

    for at, known_at, usd in (
        ("2026-03-01", None, "2.75"),
        ("2026-03-01", before_correction, "2.5"),
        ("2026-06-01", None, "3"),
    ):
        known = [] if known_at is None else ["--known-at", known_at]
        listed = json.loads(prices("list", "house-large", "--at", at, *known, "--format", "json"))
        assert [(row["model"], row["usd_per_million"]) for row in listed] == [("house-*", usd)]
    ever = list(csv.DictReader(prices("history", "house-large", "--format", "csv").splitlines()))
    assert [(row["usd_per_million"], row["superseded_at"] == "") for row in ever] == [
        ("2.5", False),
        ("2.75", True),
        ("3", True),
    ]
    learnt = list(
        csv.DictReader(prices("diff", "--since", before_correction, "--format", "csv").splitlines())
    )
    assert [(row["change"], row["was"], row["is"]) for row in learnt] == [("corrected", "2.5", "2.75")]


def test_a_file_is_compared_before_it_is_imported(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    header = "model,bucket,usd_per_million,valid_from,valid_to\n"
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(header + "가격-모델,output_text,4,2026-01-01,\n가격-모델,output_text,5,2026-06-01,\n")
    second.write_text(header + "가격-모델,output_text,4.5,2026-01-01,\nx,output_text,-1,2026-01-01,\n")
    run(warehouse.libpq(), "import", str(first))

    compared = run(warehouse.libpq(), "diff", str(second), "--format", "json")

    [change] = json.loads(compared.stdout)
    assert (change["change"], change["was"], change["is"], change["model"]) == (
        "corrected",
        "4",
        "4.5",
        "가격-모델",
    )
    assert "also takes the place of $5 from 2026-06-01" in compared.stderr
    assert "line 3: x: price is negative" in compared.stderr
    again = run(warehouse.libpq(), "diff", str(first), "--format", "csv")
    assert len(again.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["set", "m", "input", "1", "--from", "2026-01-01"],
        ["set", "m", "output_text", "10001", "--from", "2026-01-01"],
        ["set", "m", "output_text", "NaN", "--from", "2026-01-01"],
        ["set", "m", "output_text", "1", "--from", "2026-02-30"],
        ["set", "m", "output_text", "1", "--from", "2026-02-01", "--to", "2026-01-01"],
        ["set", "m", "output_text", "1", "--from", "2026-02-01", "--source", "genai-prices 9"],
        ["diff"],
        ["list", "--at", "yesterday"],
    ],
)
def test_a_price_that_cannot_be_is_bad_usage_in_one_line(arguments: list[str]) -> None:
    done = run("postgresql://nobody@127.0.0.1:1/none", *arguments)
    assert isinstance(done.exception, UserError)
    assert done.exception.code == 2
    assert "\n" not in str(done.exception)
