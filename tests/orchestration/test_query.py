import json
import os
import subprocess
from pathlib import Path

import pytest

from ingest.database.url import DatabaseUrl
from orchestration.commands.query import print_rows
from tests.warm.python import warm_python


def sql(url: DatabaseUrl, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm_python("lqo"), "-m", "orchestration", "sql", *arguments],
        env={**os.environ, "LQO_HOME": str(home), "DATABASE_URL": url.libpq()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_json_keeps_decimals_exact_and_text_as_it_is(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    query = (
        "select 0.1::numeric(4,3) as money, '한국어 🙂' as text, null as nothing, "
        "timestamptz '2026-11-01Z' as at"
    )
    done = sql(warehouse, tmp_path, query, "--format", "json")
    assert json.loads(done.stdout) == [
        {"money": "0.100", "text": "한국어 🙂", "nothing": None, "at": "2026-11-01T00:00:00+00:00"}
    ]


def test_csv_quotes_what_needs_it(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    done = sql(warehouse, tmp_path, "select 'a,b' as x, E'line\\nbreak' as y", "--format", "csv")
    assert done.stdout.splitlines() == ["x,y", '"a,b","line', 'break"']


def test_a_table_shows_markup_as_text(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    done = sql(warehouse, tmp_path, "select '[red]not a colour[/red]' as text")
    assert "[red]not a colour[/red]" in done.stdout


@pytest.mark.parametrize(
    "statement",
    ["delete from raw.dirty_hours", "create table x (a int)", "insert into raw.loads default values"],
)
def test_writing_is_refused_in_one_line(statement: str, warehouse: DatabaseUrl, tmp_path: Path) -> None:
    done = sql(warehouse, tmp_path, statement)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1


def no_word(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def test_json_says_nan_and_infinity_as_text_wherever_they_stand(
    warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    query = """
        select 'NaN'::float8 as a, '-Infinity'::real as b, array['Infinity'::float8, 1.5, null] as c,
            '{"deep": [1e999]}'::json as d, 'NaN'::numeric as e, 'Infinity'::numeric as f, null::float8 as g,
            row('NaN'::float8, 1) as h
    """
    done = sql(warehouse, tmp_path, query, "--format", "json")
    assert json.loads(done.stdout, parse_constant=no_word) == [
        {
            "a": "NaN",
            "b": "-Infinity",
            "c": ["Infinity", 1.5, None],
            "d": {"deep": ["Infinity"]},
            "e": "NaN",
            "f": "Infinity",
            "g": None,
            "h": ["NaN", "1"],
        }
    ]


def test_json_keeps_every_column_of_the_same_name(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    query = 'select 1 as a, 2 as "a_2", 3 as a, 4 as a, 5, 6'
    done = sql(warehouse, tmp_path, query, "--format", "json")
    assert json.loads(done.stdout) == [{"a": 1, "a_2": 2, "a_3": 3, "a_4": 4, "?column?": 5, "?column?_2": 6}]


@pytest.mark.parametrize("form", ["table", "csv"])
def test_an_array_in_a_cell_is_json_without_nan(form: str, warehouse: DatabaseUrl, tmp_path: Path) -> None:
    done = sql(warehouse, tmp_path, "select array['NaN'::float8, 1] as cell", "--format", form)
    assert '"NaN", 1.0' in done.stdout.replace('""', '"')


def test_a_table_gives_no_orders_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("\x1b[2J\x1b]0;gone\x07gpt\u202eqq", "한국어 🙂")]

    print_rows(["model", "user"], rows, form="table")

    told = capsys.readouterr().out
    assert "\x1b[2J" not in told and "\x1b]0" not in told and "\u202e" not in told
    assert "gpt" in told and "한국어 🙂" in told
