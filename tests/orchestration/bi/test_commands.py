"""`lqo bi` as people meet it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl, parse_url
from orchestration.cli import app
from orchestration.commands.errors import UserError

pytestmark = pytest.mark.xdist_group("lqo_bi")


def test_grafana_gets_provisioning_and_every_page(tmp_path: Path) -> None:
    for _ in range(2):
        done = CliRunner().invoke(app, ["bi", "grafana", str(tmp_path / "out")])
        assert done.exit_code == 0
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert {
        "provisioning/datasources/lqo.yaml",
        "provisioning/dashboards/lqo.yaml",
        "dashboards/lqo-overview.json",
    } <= written
    assert len(written) == 10


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["bi", "grafana", str(tmp_path / "file")])
    assert isinstance(done.exception, UserError)
    assert "cannot write" in str(done.exception)


def test_the_role_is_made_once_and_its_url_works(
    filled: DatabaseUrl, maintenance_url: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LQO_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", maintenance_url.with_database(filled.dbname).libpq())
    made = CliRunner().invoke(app, ["bi", "role", "--new-password"])
    assert made.exit_code == 0, made.exception
    with connect(parse_url(made.stdout.strip())) as connection:
        assert connection.execute("select count(*) > 0 from marts.calls_hourly").fetchone() == (True,)
    again = CliRunner().invoke(app, ["bi", "role"])
    assert "kept its password" in again.stdout


def test_a_metabase_that_is_not_there_is_one_line() -> None:
    arguments = ["bi", "metabase", "http://127.0.0.1:9", "--api-key", "mb_secret"]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, UserError)
    assert "mb_secret" not in str(done.exception)
