"""`lqo whatif` as a person uses it."""

import csv
import json
from datetime import timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow
from typer.testing import CliRunner, Result

from ingest.database.url import DatabaseUrl
from orchestration.cli import app
from orchestration.commands.errors import UserError
from tests.orchestration.cost.test_whatif import HOUSE, PLAIN, charged, seed, used

Connection = psycopg.Connection[TupleRow]

DAYS = ("--from", "2026-10-14", "--to", "2026-10-14")


def run(url: DatabaseUrl, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["whatif", *arguments], env={"DATABASE_URL": url.libpq()})


def said(url: DatabaseUrl, *arguments: str) -> str:
    done = run(url, *DAYS, *arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


@pytest.fixture
def traffic(warehouse: DatabaseUrl, connection: Connection) -> DatabaseUrl:
    """Ten calls of `house` for $0.0035, one of them without usage; a project that is a formula."""
    seed(connection, 9, model="house", usage=used(100, 10), spacing=timedelta(hours=1))
    seed(connection, 1, seed="b", model="house", usage=None, status="error")
    with connection.transaction():
        connection.execute("update raw.llm_calls set project = '=1+1'")
    charged(connection, HOUSE, PLAIN)
    return warehouse


def test_the_same_answer_comes_as_table_csv_and_json(traffic: DatabaseUrl) -> None:
    table = said(traffic, "--models", "plain, recorded").splitlines()
    assert table[0] == "2026-10-14 to 2026-10-14: 10 attempts, 9 charged 0.003150 USD; no_usage 1"
    [plain] = [line for line in table if line.startswith("plain")]
    assert plain.split() == [
        "plain", "as", "recorded", "10", "9", "0.003150", "0.001260", "0.001890", "60.00", "1", "0.000000",
        "no_usage", "1",
    ]  # fmt: skip
    assert any("tokens that another model counted are taken one for one" in line for line in table)

    whole = json.loads(said(traffic, "--models", "plain", "--by", "project,day", "--format", "json"))
    assert whole["recorded"] == {
        "n_attempts": 10,
        "n_priced": 9,
        "amount_usd": "0.003150000000",
        "unpriced_reasons": {"no_usage": 1},
        "tokens": {"input_uncached": 900, "output_text": 90},
    }
    [row] = whole["rows"]
    assert (row["project"], row["day"], row["whatif_usd"]) == ("=1+1", "2026-10-14", "0.001260000000")
    assert (row["saving_percent"], row["not_priced_reasons"]) == ("60.00", {"no_usage": 1})

    text = said(traffic, "--models", "plain", "--by", "project", "--format", "csv")
    [cells] = csv.DictReader(text.splitlines())
    assert (cells["project"], cells["saving_usd"]) == ("'=1+1", "0.001890000000")
    assert cells["not_priced_reasons"] == "no_usage=1"


def test_days_without_calls_are_an_answer_and_not_an_error(traffic: DatabaseUrl) -> None:
    whole = run(traffic, "--from", "0001-01-01", "--to", "9999-12-31", "--models", "plain")
    assert "10 attempts, 9 charged" in whole.stdout
    done = run(traffic, "--from", "2024-02-28", "--to", "2024-03-01", "--models", "plain")
    assert done.exit_code == 0
    assert "no calls of these days and filters have landed" in done.stdout
    csv_of = run(
        traffic, "--from", "2024-02-29", "--to", "2024-02-29", "--models", "plain", "--format", "csv"
    )
    assert csv_of.stdout.count("\n") == 1
    assert csv_of.stdout.startswith("candidate,as_tier,n_attempts,")


BAD = [
    (["--models", "plain"], "say which days"),
    ([*DAYS], "say what would be otherwise"),
    ([*DAYS, "--models", "plian"], "nothing has a price for 'plian'; did you mean plain"),
    ([*DAYS, "--models", "gpt-5-mni"], "did you mean gpt-5-mini"),
    ([*DAYS, "--models", "plain", "--by", "user"], "--by knows no 'user'"),
    ([*DAYS, "--models", "plain", "--ratio", "plain=fast"], "--ratio must be a number"),
    ([*DAYS, "--models", "plain", "--output-ratio", "house=2"], "no candidate"),
    ([*DAYS, "--tier", "bach"], "no model has a price at tier 'bach'"),
    (["--from", "2026-10-15", "--to", "2026-10-14", "--models", "plain"], "is after"),
    ([*DAYS, "--prices-at", "soon"], "--prices-at must be a day"),
]


def test_a_question_without_a_meaning_is_one_line(traffic: DatabaseUrl) -> None:
    for arguments, why in BAD:
        done = run(traffic, *arguments)
        assert isinstance(done.exception, UserError), arguments
        assert (done.exception.code, done.stdout) == (2, "")
        assert why in str(done.exception)
