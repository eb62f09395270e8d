"""A fall of scores is the product's or the judge's: golden sets tell."""

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.calibration.attribution import explain_change
from orchestration.cli import app
from orchestration.commands.errors import UserError
from tests.orchestration.calibration.seeded import Connection, add_distinct_calls, add_version, judge
from tests.orchestration.seeding import DAY_START

OLD = DAY_START.date()
NEW = OLD + timedelta(days=1)


def scores(connection: Connection, version: int, *, fall: int) -> None:
    """Sixty calls a day, graded 3 to 5 and then `fall` lower."""
    for number, day in enumerate((DAY_START, DAY_START + timedelta(days=1))):
        calls = add_distinct_calls(connection, 60, start=day, seed=str(number))
        judge(connection, version, {c: 3 + n % 3 - number * fall for n, c in enumerate(calls)})


def golden_scores(connection: Connection, version: int, *, fall: int, n: int = 30) -> None:
    with connection.transaction():
        connection.execute(
            "insert into evaluation.golden_items (golden_set, content_hash, item)"
            " select 'core', int4send(n), '{}' from generate_series(1, %s) as n",
            (n,),
        )
        connection.execute(
            "insert into evaluation.golden_scores"
            " (golden_set, content_hash, evaluator_version_id, day, value, judge_model)"
            " select 'core', int4send(n), %s, %s::date + d, 3 + n %% 3 - d * %s, 'judge-1'"
            " from generate_series(1, %s) as n, generate_series(0, 1) as d",
            (version, OLD, fall, n),
        )


@pytest.mark.parametrize(
    ("product", "golden", "cause"),
    [(1, 1, "judge"), (1, 0, "product"), (2, 1, "both"), (0, 0, "none")],
)
def test_a_fall_is_put_down_to_who_moved(
    connection: Connection, product: int, golden: int, cause: str
) -> None:
    version = add_version(connection)
    scores(connection, version, fall=product)
    golden_scores(connection, version, fall=golden)
    found = explain_change(connection, "helpfulness", old=(OLD, OLD), new=(NEW, NEW))
    assert found.attribution.cause == cause
    assert found.change.value == pytest.approx(-product)
    assert found.judge.shift.value == -golden
    assert found.attribution.product.value == pytest.approx(golden - product)


def test_without_golden_sets_nobody_knows(connection: Connection) -> None:
    version = add_version(connection)
    scores(connection, version, fall=1)
    found = explain_change(connection, "helpfulness", old=(OLD, OLD), new=(NEW, NEW))
    assert found.attribution.cause == "unknown"
    golden_scores(connection, version, fall=1, n=19)
    found = explain_change(connection, "helpfulness", old=(OLD, OLD), new=(NEW, NEW))
    assert found.attribution.cause == "unknown"


def test_a_span_without_scores_is_unknown(connection: Connection) -> None:
    version = add_version(connection)
    golden_scores(connection, version, fall=0)
    found = explain_change(connection, "helpfulness", old=(OLD, OLD), new=(NEW, NEW))
    assert found.attribution.cause == "unknown"
    assert not found.change.is_known


def test_the_newest_version_in_force_is_compared(connection: Connection) -> None:
    add_version(connection, version="0.9.0+old", status="retired")
    version = add_version(connection)
    add_version(connection, version="2.0.0+new", status="draft")
    found = explain_change(connection, "helpfulness", old=(OLD, OLD), new=(NEW, NEW))
    assert found.version.id == version
    with pytest.raises(LookupError, match="tone"):
        explain_change(connection, "tone", old=(OLD, OLD), new=(NEW, NEW))


def test_lqo_golden_explain_says_it_in_words(
    warehouse: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LQO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", warehouse.libpq())
    with connect(warehouse) as connection:
        version = add_version(connection)
        scores(connection, version, fall=1)
        golden_scores(connection, version, fall=1)
    words = ["golden", "explain", "helpfulness", "--old", str(OLD), "--new", f"{NEW}..{NEW}"]
    said = CliRunner().invoke(app, words).stdout
    assert "mean score -1.000" in said
    assert "the judge has changed" in said
    for wrong in ("yesterday", f"{NEW}..{OLD}"):
        error = CliRunner().invoke(app, [*words[:4], wrong, *words[5:]]).exception
        assert isinstance(error, UserError)
        assert error.code == 2
