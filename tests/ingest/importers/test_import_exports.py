"""Exports of other tools in the warehouse: once, with what they say of their calls."""

import gzip
import json
import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
import zstandard
from psycopg.rows import TupleRow

from ingest.importers.files import import_files
from ingest.importers.formats.base import Score
from ingest.importers.scores import ScoresLanded
from ingest.importers.summary import ImportFailedError, ImportSummary, ScoreCounts
from tests.ingest.import_lines import Importer
from tests.ingest.importers import exports
from tests.ingest.importers.exports import lines

Connection = psycopg.Connection[TupleRow]


@dataclass(slots=True)
class Heard:
    """A sink that remembers what it was given."""

    scores: list[Score] = field(default_factory=list[Score])

    def land(self, connection: Connection, scores: Sequence[Score]) -> ScoresLanded:
        self.scores += scores
        return ScoresLanded(len(scores), 0)


@pytest.fixture
def bring(run_import: Importer) -> Callable[..., ImportSummary]:
    """Import files or folders; `scores` is where verdicts go."""

    def import_paths(*paths: Path, scores: Heard | None = None, **options: Any) -> ImportSummary:
        return import_files(paths, settings=run_import.settings, url=run_import.url, scores=scores, **options)

    return import_paths


def counts(summary: ImportSummary) -> tuple[int, int, int, int]:
    return summary.landed, summary.already_there, summary.rejected, summary.passed_over


def rejects(summary: ImportSummary) -> list[dict[str, Any]]:
    assert summary.rejects_file is not None
    return [json.loads(line) for line in summary.rejects_file.read_text().splitlines()]


FILES: dict[str, tuple[bytes, tuple[int, int]]] = {
    "langfuse lines": (
        lines(*(exports.observation(n) for n in range(3)), exports.observation(9, type="SPAN")),
        (3, 1),
    ),
    "langfuse api": (json.dumps({"data": [exports.api_observation(n) for n in range(3)]}).encode(), (3, 0)),
    "helicone": (json.dumps([exports.helicone_request(n) for n in range(3)], indent=2).encode(), (3, 0)),
    "litellm": (lines(*(exports.spend_log(n) for n in range(3))), (3, 0)),
    "litellm payload": (json.dumps(exports.logging_payload(), indent=4).encode(), (1, 0)),
    "openai": (
        json.dumps({"object": "list", "data": [exports.stored_completion(n) for n in range(3)]}).encode(),
        (3, 0),
    ),
    "otlp": (lines(exports.traces_document(2), exports.traces_document(1, first=2)), (3, 3)),
}
PACKS: list[Callable[[bytes], bytes]] = [bytes, gzip.compress, lzma.compress, zstandard.compress]


def test_each_format_lands_once_packed_or_not(
    bring: Callable[..., ImportSummary], tmp_path: Path, connection: Connection
) -> None:
    for index, (name, (data, (n_calls, n_passed))) in enumerate(FILES.items()):
        if name == "langfuse api":
            continue
        path = tmp_path / "file"
        path.write_bytes(PACKS[index % len(PACKS)](data))
        first = bring(path)
        assert counts(first) == (n_calls, 0, 0, n_passed), name
        path.write_bytes(data)
        assert counts(bring(path)) == (0, n_calls, 0, n_passed), name
    landed = "select count(*), count(distinct external_id), count(input_text) from raw.llm_calls"
    landed += " inner join raw.llm_bodies using (started_at, call_id)"
    assert connection.execute(landed).fetchone() == (16, 16, 16)
    # Helicone's rating is an end user's; it is said once, however often it is imported.
    feedback = "select distinct name, value, at from evaluation.feedback"
    assert len(connection.execute(feedback).fetchall()) == 3


def test_a_folder_of_langfuse_s_parts_lands_with_its_scores_last(
    bring: Callable[..., ImportSummary], tmp_path: Path, connection: Connection
) -> None:
    # Named so that scores come first and traces last.
    folder = tmp_path / "cm-project"
    for name in ("a_scores", "b_observations", "c_traces", "manifests"):
        (folder / name).mkdir(parents=True)
    legacy = [
        exports.observation(n, user_id=..., session_id=..., trace_id=f"trace-{n // 2}") for n in range(4)
    ]
    (folder / "a_scores/1.jsonl.gz").write_bytes(
        gzip.compress(
            lines(
                exports.score(0),
                exports.score(1, observation_id=None, trace_id="trace-1", name="thumbs"),
                exports.score(2, data_type="TEXT", string_value="좋아요 👍", name="note"),
                exports.score(3, observation_id="obs-unknown"),
                exports.score(4, observation_id=None, trace_id=None),
            )
        )
    )
    pl.DataFrame(legacy[:2], infer_schema_length=None).drop("metadata", "tool_definitions").write_parquet(
        folder / "b_observations/1.parquet"
    )
    (folder / "b_observations/2.jsonl").write_bytes(lines(*legacy[2:]))
    (folder / "b_observations/3.jsonl").write_bytes(b"")
    (folder / "c_traces/1.json").write_bytes(json.dumps([exports.trace(n) for n in range(2)]).encode())
    (folder / "manifests/1.json").write_bytes(b'{"files": []}')

    heard = Heard()
    summary = bring(folder, scores=heard)

    assert counts(summary) == (4, 0, 0, 2)
    assert summary.scores == ScoreCounts(landed=3, already_there=0, rejected=2)
    assert summary.formats == ("langfuse",)
    assert [(each["line"], each["reason"]) for each in rejects(summary)] == [(5, "no_call"), (4, "no_call")]
    found = connection.execute("select external_id, user_id, call_id from raw.llm_calls order by started_at")
    calls = {external_id: (user_id, call_id) for external_id, user_id, call_id in found}
    assert {name: user for name, (user, _) in calls.items()} == {
        "obs-0": "user-0",
        "obs-1": "user-0",
        "obs-2": "user-1",
        "obs-3": "user-1",
    }
    # A trace's score is of its last call.
    assert {each.evaluator: each.call_id for each in heard.scores} == {
        "langfuse.helpfulness": calls["obs-0"][1],
        "langfuse.trace.thumbs": calls["obs-3"][1],
    }
    told = connection.execute("select call_id, name, comment from evaluation.feedback").fetchall()
    assert told == [(calls["obs-2"][1], "note", "좋아요 👍")]

    again = bring(folder, scores=Heard())
    assert counts(again)[:3] == (0, 4, 0)
    assert again.scores == ScoreCounts(landed=2, already_there=1, rejected=2)


def test_a_score_of_the_first_or_last_day_there_is_is_of_its_trace_all_the_same(
    bring: Callable[..., ImportSummary], tmp_path: Path
) -> None:
    (tmp_path / "calls.jsonl").write_bytes(lines(exports.observation()))
    days = ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999")
    rows = [
        exports.score(n, observation_id=None, trace_id="trace-0", name=f"n{n}", timestamp=at)
        for n, at in enumerate(days)
    ]
    (tmp_path / "scores.jsonl").write_bytes(lines(*rows))
    assert bring(tmp_path, scores=Heard()).scores == ScoreCounts(landed=2)


def test_malformed_rows_are_kept_with_line_and_reason(
    bring: Callable[..., ImportSummary], tmp_path: Path, connection: Connection
) -> None:
    whole = lines(
        exports.observation(0),
        exports.observation(1, start_time="2026-11-18 25:00:00"),
        exports.observation(0),
        exports.observation(0, output="another answer"),
        exports.observation(2, start_time="2099-01-01 00:00:00"),
        exports.observation(3, input="🚚" * 200_000),
    )
    path = tmp_path / "half.jsonl"
    path.write_bytes(whole + lines(exports.observation(4))[:300])
    summary = bring(path)
    assert counts(summary) == (2, 1, 4, 0)
    assert [(each["line"], each["reason"]) for each in rejects(summary)] == [
        (2, "bad_field"),
        (4, "conflicting_duplicate"),
        (5, "out_of_range"),
        (7, "broken_json"),
    ]
    letters = connection.execute("select position from raw.dead_letters order by 1").fetchall()
    assert letters == [("line 2",), ("line 4",), ("line 5",), ("line 7",)]


def test_a_half_written_list_lands_what_it_has_and_says_so(
    bring: Callable[..., ImportSummary], tmp_path: Path
) -> None:
    data = json.dumps([exports.spend_log(n) for n in range(20)]).encode()
    path = tmp_path / "half.json"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImportFailedError, match="half-written") as failed:
        bring(path)
    assert "\n" not in str(failed.value)
    assert failed.value.summary.landed == 10
    assert [each["item"] for each in rejects(failed.value.summary)] == [11]
    path.write_bytes(data)
    assert counts(bring(path)) == (10, 10, 0, 0)


def test_what_ran_when_it_was_exported_is_replaced_by_its_end(
    bring: Callable[..., ImportSummary], tmp_path: Path, connection: Connection
) -> None:
    path = tmp_path / "part.jsonl"
    path.write_bytes(lines(exports.observation(end_time=None, output="")))
    assert counts(bring(path)) == (1, 0, 0, 0)
    path.write_bytes(lines(exports.observation()))
    assert counts(bring(path)) == (1, 0, 0, 0)
    found = connection.execute("select status, output_preview from raw.llm_calls").fetchall()
    assert found == [("ok", "네, 3일 안에요. 0")]


def test_a_folder_s_unknown_file_stops_nothing(bring: Callable[..., ImportSummary], tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"notes\n")
    (folder / "b.csv").write_bytes(b"id,trace_id,type,name,start_time,end_time\n")
    (folder / "c.parquet").write_bytes(b"PAR1 cut off")
    (folder / "d.jsonl").write_bytes(lines(exports.spend_log()))
    with pytest.raises(ImportFailedError) as failed:
        bring(folder)
    assert failed.value.summary.landed == 1
    message = str(failed.value)
    assert all(
        word in message for word in ("a.txt: what it is", "b.csv: it is CSV", "c.parquet: its Parquet")
    )


def test_a_given_format_is_the_one_that_is_read(bring: Callable[..., ImportSummary], tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(lines(exports.spend_log(), exports.spend_log(1)))
    assert counts(bring(path, format="langfuse")) == (0, 0, 2, 0)
    assert counts(bring(path, format="litellm")) == (2, 0, 0, 0)


def test_verdicts_without_a_place_are_passed_over(
    bring: Callable[..., ImportSummary], tmp_path: Path
) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(lines(exports.helicone_request(feedback_rating=None)))
    assert bring(path).scores == ScoreCounts()
