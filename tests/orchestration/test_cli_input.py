"""What a person may hand to `lqo` by mistake or from another system: one line, or a counted reject."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.ingest.import_lines import line, lines
from tests.ingest.importers import exports
from tests.warm.python import warm_python


def lqo(
    url: DatabaseUrl, home: Path, *arguments: str | bytes, given: bytes = b"", **env: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [warm_python("lqo"), "-m", "orchestration", *arguments],
        env={**os.environ, "LQO_HOME": str(home), "DATABASE_URL": url.libpq(), **env},
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_any_file_is_imported_or_its_lines_are_counted_rejects(
    warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    odd = {
        "nothing.jsonl": b"",
        "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
        "from windows.jsonl": b"\xef\xbb\xbf" + lines(3).replace(b"\n", b"\r\n"),
        "latin.jsonl": line(3, output_text=...)[:-2] + b', "output_text": "caf\xe9 \x96 na\xefve \x80"}\n',
        "한국어 😀.jsonl": line(4, user_id="사용자 🙂", tags={"팀": "검색 🔎"}, output_text="네 👍"),
        b"name of \xff bytes.jsonl".decode("utf-8", "surrogateescape"): line(5) + b"broken\n",
        "array.json": b"[" + line(6).rstrip() + b"]",
    }
    for name, data in odd.items():
        (tmp_path / name).write_bytes(data)
    files = [os.fsencode(tmp_path / name) for name in odd]

    done = lqo(warehouse, tmp_path / "home", "import", "/dev/null", *files)

    assert (done.returncode, done.stderr) == (0, b"")
    n_broken = len(odd["picture.png"].rstrip(b"\n").split(b"\n")) + 1
    assert f"landed 7  already there 0  rejected {n_broken} ".encode() in done.stdout
    with connect(warehouse) as connection:
        query = "select user_id, tags from raw.llm_calls where external_id = 'call-4'"
        assert connection.execute(query).fetchall() == [("사용자 🙂", {"팀": "검색 🔎"})]
        both = "select origin from raw.loads inner join raw.dead_letters using (load_id, origin)"
        origins = connection.execute(both).fetchall()
    assert (f"{tmp_path}/name of \\udcff bytes.jsonl",) in origins


def test_calls_come_from_standard_input(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    done = lqo(warehouse, tmp_path, "import", "-", given=lines(2) + b"broken\n")
    assert done.returncode == 0
    assert b"landed 2  already there 0  rejected 1 " in done.stdout
    assert done.stdout.count(b"\n") == 2, "the counts, and where the rejects are"


def test_a_truncated_file_says_so_in_one_line_after_its_counts(
    warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    (tmp_path / "half.jsonl.gz").write_bytes(b"\x1f\x8b")
    done = lqo(warehouse, tmp_path, "import", str(tmp_path / "half.jsonl.gz"))
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"ends too early" in done.stderr


def test_absurd_prices_are_counted_rejects_and_the_others_count(
    warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    absurd = ["-1,2026-01-01", "free,2026-01-01", "NaN,2026-01-01", "1e400,2026-01-01", "1,yesterday"]
    absurd += ["1,2026-01-01T00:00:00", "1,9999-12-31T23:00:00-09:00", "1,2026-01-01,surplus"]
    rows = ["model,bucket,usd_per_million,valid_from", "한국어-모델-😀,output_text,1.5,2026-01-01"]
    rows += [f"m,output_text,{cells}" for cells in absurd]
    rows += ["a\0b,output_text,1,2026-01-01", f"{'x' * 9000},output_text,1,2026-01-01"]

    given = "\n".join(rows).encode()
    first, again = (lqo(warehouse, tmp_path, "prices", "import", "-", given=given) for _ in range(2))

    assert (first.returncode, again.returncode) == (0, 0)
    assert b"added 1  unchanged 0  superseded 0  rejected 10 " in first.stdout
    assert b"added 0  unchanged 1  superseded 0  rejected 10 " in again.stdout
    assert first.stderr.count(b"\n") == 10


# Under LC_ALL=C Python 3.11 reads no path of an editable install that is not ASCII.
LOCALES: list[dict[str, str]] = [
    {},
    *([{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}] if __file__.isascii() else []),
]


@pytest.mark.parametrize("locale", LOCALES)
def test_a_query_may_be_in_any_script_under_any_locale(
    warehouse: DatabaseUrl, tmp_path: Path, locale: dict[str, str]
) -> None:
    query = "select '한국어 😀' as \"이모지 👍\""
    done = lqo(warehouse, tmp_path, "sql", query, "--format", "json", PYTHONIOENCODING="utf-8", **locale)
    assert json.loads(done.stdout) == [{"이모지 👍": "한국어 😀"}]


@pytest.mark.parametrize(
    "query",
    [
        b"select 1; select 2",
        b"copy (select 1) to stdout",
        b"select \xff",
        "select 한국어".encode(),
        b"begin",
        b"",
    ],
)
def test_a_query_that_cannot_be_answered_is_one_line(
    warehouse: DatabaseUrl, tmp_path: Path, query: bytes
) -> None:
    done = lqo(warehouse, tmp_path, "sql", query)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(b"lqo: ")
    assert done.stderr.count(b"\n") == 1
    assert not done.stdout


def test_a_folder_of_another_tool_s_export_says_what_became_of_it(
    warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    rows = (exports.observation(), exports.observation(1, type="SPAN"))
    (folder / "observations.jsonl").write_bytes(exports.lines(*rows))
    scores = (exports.score(), exports.score(source="ANNOTATION"), exports.score(9))
    (folder / "scores.jsonl").write_bytes(exports.lines(*scores))

    done = lqo(warehouse, tmp_path / "home", "import", str(folder))

    assert (done.returncode, done.stderr) == (0, b"")
    said = done.stdout.decode().splitlines()
    assert said[0].startswith("landed 1  already there 0  rejected 0 ")
    assert said[1:3] == [
        "passed over 1 that are no calls of a model",
        "scores and feedback: landed 2  already there 0  rejected 1",
    ]
    assert said[3].startswith("langfuse.helpfulness@annotation stays out of the lines until")
    assert said[4].startswith("rejects and their reasons: ")
