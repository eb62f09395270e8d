"""`lqo invoices` as a person uses it."""

import csv
import io
import json
from pathlib import Path

from ingest.database.url import DatabaseUrl
from tests.orchestration.test_cli import lqo

INVOICE = "day,provider,model,n_requests,output,amount_usd\n2026-10-31,openai,house,3,30,7.5\n"


def test_an_invoice_is_imported_once_listed_and_compared(
    tmp_path: Path, modelled_warehouse: DatabaseUrl
) -> None:
    env = {"DATABASE_URL": modelled_warehouse.libpq()}
    file = tmp_path / "october.csv"
    file.write_text(INVOICE)
    done = lqo(tmp_path, "invoices", "import", str(file), "--tolerance", "1%", **env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "invoice 1: 1 lines  replaced 0  rejected 0  other services 0\n"
    again = lqo(tmp_path, "invoices", "import", str(file), **env)
    assert again.stdout == "invoice 1 has these lines already; nothing changed\n"
    (listed,) = json.loads(lqo(tmp_path, "invoices", "list", "--format", "json", **env).stdout)
    assert (listed["usd"], listed["current"], listed["source"]) == ("7.5", 1, "october.csv")
    shown = lqo(tmp_path, "invoices", "show", "--month", "2026-10", **env).stdout
    assert shown.splitlines()[0].split()[:4] == ["provider", "day", "model", "key"]
    assert shown.splitlines()[-1].startswith(
        "EXPLAINED: billed 7.5000  charged 0.0000  gap 7.5000  unexplained 0.0000 USD; 0 matched"
    )


def test_a_page_says_whether_it_matches_and_an_invoice_can_be_taken_back(
    tmp_path: Path, modelled_warehouse: DatabaseUrl
) -> None:
    env = {"DATABASE_URL": modelled_warehouse.libpq()}
    file = tmp_path / "<october>.csv"
    file.write_text(INVOICE + "2026-10-30,openai,=cmd() 모델🙂,1,9,\n")
    assert lqo(tmp_path, "invoices", "import", str(file), **env).returncode == 0
    out = tmp_path / "page.html"
    done = lqo(tmp_path, "invoices", "page", "--month", "2026-10", "--out", str(out), **env)
    assert (done.returncode, done.stdout) == (0, f"{out} (NOT MATCHED)\n")
    page = out.read_text("utf-8")
    assert '<h1>Invoices: <span class="bad-text">not matched</span></h1>' in page
    # The day of tokens alone is billed what nobody knows; the other one is of calls that never came by.
    first, second = page.index("=cmd() 모델🙂"), page.index("calls not seen $7.5000", page.index("=cmd()"))
    assert first < second
    assert "&lt;october&gt;.csv" in page
    assert "<script" not in page
    shown = lqo(tmp_path, "invoices", "show", "--format", "csv", **env)
    assert shown.returncode == 1
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    assert [(row["model"], row["verdict"], row["gap_usd"]) for row in rows] == [
        ("'=cmd() 모델🙂", "not matched", ""),
        ("house", "explained", "7.5"),
    ]
    taken = lqo(tmp_path, "invoices", "withdraw", "1", "--by", "ada", **env)
    assert taken.stdout == "invoice 1 is withdrawn; 0 older lines count again\n"
    done = lqo(tmp_path, "invoices", "page", "--out", str(tmp_path), **env)
    assert done.stdout == f"{tmp_path / 'invoices.html'} (NOTHING TO COMPARE)\n"


def test_a_bad_invoice_is_refused_with_its_lines(tmp_path: Path, warehouse: DatabaseUrl) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(INVOICE + "2026-10-31,openai,house,-3,30,7.5\n")
    done = lqo(tmp_path, "invoices", "import", str(file), DATABASE_URL=warehouse.libpq())
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "  line 3: n_requests '-3' is not a count",
        "lqo: 1 bad lines, nothing imported (--partial takes the others)",
    ]
    for arguments in (
        ["import", str(file), "--tolerance", "lots"],
        ["import", "nowhere.csv"],
        ["show", "--month", "x"],
    ):
        done = lqo(tmp_path, "invoices", *arguments, DATABASE_URL=warehouse.libpq())
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done
