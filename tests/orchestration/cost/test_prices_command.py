"""`lqo prices` as a person uses it."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.commands.errors import UserError
from orchestration.commands.prices import app
from orchestration.cost.charging import charge_window
from orchestration.windows import Window
from tests.orchestration.seeding import add_calls, rows


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


MILLION: dict[str, object] = {
    "prompt_tokens": 10**6,
    "completion_tokens": 10**6,
    "total_tokens": 2 * 10**6,
}


def test_with_the_public_history_imported_calls_cost_what_they_cost_then(
    warehouse: DatabaseUrl, shared_data: Path
) -> None:
    done = run(warehouse.libpq(), "import", str(shared_data / "price_history.csv"))
    assert "rejected 408" in done.stdout
    calls = {
        ("gpt-4o", "2024-06-15T12:00:00+00:00"): 20,
        ("gpt-4o", "2024-10-01T23:59:59.999+00:00"): 20,
        ("gpt-4o", "2024-10-02T00:00:00+00:00"): 12.5,
        # The hour that summer time gives twice, in Berlin: two instants, one price.
        ("gpt-4o", "2025-10-26T02:30:00+02:00"): 12.5,
        ("gpt-4o", "2025-10-26T02:30:00+01:00"): 12.5,
        ("gpt-3.5-turbo", "2024-02-29T23:59:59.999+00:00"): 2,
        ("o3", "2025-06-09T23:59:59.999+00:00"): 50,
        # The first instant of the cut's day in UTC, said in Tokyo's time.
        ("o3", "2025-06-10T09:00:00+09:00"): 10,
        ("o3", "2026-10-01T00:00:00+00:00"): 10,
        ("nobody-knows", "2025-06-10T00:00:00+00:00"): None,
    }
    with connect(warehouse) as connection:
        with connection.transaction():
            for number, (model, at) in enumerate(calls):
                start = datetime.fromisoformat(at)
                add_calls(connection, 1, model=model, start=start, seed=f"{number}", usage=MILLION)
        window = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
        charge_window(connection, [window])
        found = rows(connection, "select model, started_at, amount_usd, unpriced_reason from cost.charges")
    charged = {(model, at): (amount, reason) for model, at, amount, reason in found}
    for (model, at), usd in calls.items():
        amount, reason = charged[model, datetime.fromisoformat(at)]
        assert (amount, reason) == ((None, "unknown_model") if usd is None else (usd, None)), (model, at)


def test_a_file_of_nothing_but_rejects_fails_and_leaves_the_book(
    tmp_path: Path, warehouse: DatabaseUrl
) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(
        "model,bucket,usd_per_million,valid_from,currency\n"
        "m,output_text,1,2026-01-01,EUR\nm,output_text,1,2026-02-30,\nn,output_text,1,2026-01-01,\n"
        "n,output_text,2,2026-01-01,\n"
    )
    done = run(warehouse.libpq(), "import", str(file))
    assert isinstance(done.exception, UserError)
    assert "added 0" in done.stdout
    for said in ("'EUR' is not USD", "2026-02-30", "lines 4, 5 say the same price otherwise"):
        assert said in done.stderr
