"""Scores that come along with an import are versions of their own."""

from decimal import Decimal
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.importers.files import import_files
from ingest.importers.summary import ScoreCounts
from ingest.settings import Settings
from orchestration.versions.imported import ImportedScores
from tests.ingest.importers import exports

Connection = psycopg.Connection[TupleRow]
SCORES = """
select evaluator, evaluator_version, value, label from evaluation.scores order by evaluator, evaluator_version
"""


def test_scores_of_an_import_land_once_under_their_versions(
    warehouse: DatabaseUrl, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_bytes(exports.lines(exports.observation(), exports.helicone_request(5)))
    (tmp_path / "b.jsonl").write_bytes(exports.lines(exports.helicone_request(5)))
    (tmp_path / "c.jsonl").write_bytes(
        exports.lines(
            exports.score(),
            exports.score(source="ANNOTATION", value=0.5),
            exports.score(name="응답 품질", data_type="CATEGORICAL", value=2, string_value="좋음"),
            exports.score(value=0.1, id="another"),
            exports.score(value=None, name="empty"),
        )
    )
    settings = Settings(home=tmp_path / "home")
    for landed, already_there in ((5, 0), (0, 5)):
        sink = ImportedScores()
        summary = import_files(
            [tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "c.jsonl"],
            settings=settings,
            url=warehouse,
            scores=sink,
        )
        assert summary.scores == ScoreCounts(
            landed + (1 if landed else 0), already_there + (0 if landed else 1), 2
        )

    found = connection.execute(SCORES).fetchall()
    assert [row[1:] for row in found] == [
        ("scores", Decimal(90), None),
        ("scores", Decimal(1), None),
        ("annotation", Decimal("0.5"), None),
        ("eval", Decimal("0.75"), None),
        ("eval", Decimal(2), "좋음"),
    ]
    assert [row[0] for row in found][:4] == [
        "helicone.accuracy",
        "helicone.brief",
        "langfuse.helpfulness",
        "langfuse.helpfulness",
    ]
    # One version of an evaluator is current; the other waits for its promotion.
    assert [str(version) for version in sink.drafts()] == ["langfuse.helpfulness@annotation"]
