"""Datasets out of recorded calls and sessions."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.landing.land import land_calls
from tests.ingest.landing_calls import make_call
from tests.judge_endpoint import judge_endpoint_in_thread
from tests.orchestration.comparison.playing import JUDGE, Lqo, Stage, asked_of, staged

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
YESTERDAY = TODAY - timedelta(hours=12)


def land(connection: psycopg.Connection[TupleRow], rows: list[dict[str, Any]]) -> None:
    calls = [
        make_call(at, at=row.pop("at", YESTERDAY), key=str(uuid4()), **_body(row))
        for at, row in enumerate(rows)
    ]
    result = land_calls(connection, calls, load_id=uuid4(), origin="a test", now=datetime.now(UTC))
    assert result.landed == len(calls)
    connection.commit()


def _body(row: dict[str, Any]) -> dict[str, Any]:
    asked = row.pop("messages")
    request = json.dumps({"model": "old", "messages": asked}).encode()
    changes = {
        "requested_model": "old",
        "request": request,
        "input_text": asked[-1]["content"],
        "source": "import",
    }
    return {**changes, **row}


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def test_recorded_calls_are_asked_again_and_compared_with_what_was_answered(
    lqo: Lqo, connection: psycopg.Connection[TupleRow]
) -> None:
    rows: list[dict[str, Any]] = [
        {"messages": [said("system", "Be."), said("user", f"Q{at}")], "output_text": f"old {at}"}
        for at in range(30)
    ]
    others = (
        {"purpose": "judge"},
        {"status": "error"},
        {"body_state": "none"},
        {"at": TODAY - timedelta(days=9)},
    )
    rows += [{"messages": [said("user", "Not me")], "output_text": "no", **other} for other in others]
    land(connection, rows)
    stage = Stage(grade=lambda shown: 5 if shown["the answer to grade"].startswith("new") else 3)
    gate = ("--from-calls", "--model", "new", "--fail-if", "overall<0.1")
    with judge_endpoint_in_thread(staged(stage)) as endpoint:
        done = lqo.run(*gate, "--sample", "25", endpoint=endpoint)
        again = lqo.run(*gate, "--sample", "25", endpoint=endpoint)
        every = lqo.run(*gate, "--sample", "1000", endpoint=endpoint)
    assert done.code == 0
    assert done.summary["baseline"]["answers"] == {"recorded": 25}
    assert done.summary["measures"]["overall"]["value"] == 2
    assert again.summary["candidate"]["answers"] == {"reused": 25}
    assert every.summary["n_items"] == 30
    assert every.summary["candidate"]["answers"] == {"asked": 5, "reused": 25}
    assert "Not me" not in asked_of(endpoint, "new")


def test_a_sample_may_be_of_a_project_and_a_model(lqo: Lqo, connection: psycopg.Connection[TupleRow]) -> None:
    rows: list[dict[str, Any]] = [
        {"messages": [said("user", f"{project} {model}")], "project": project, "requested_model": model}
        for project in ("a", "b")
        for model in ("x", "y")
    ]
    land(connection, rows)
    with judge_endpoint_in_thread(staged(Stage())) as endpoint:
        done = lqo.run("--from-calls", "--project", "a", "--source-model", "y", endpoint=endpoint)
    assert (done.code, done.summary["n_items"]) == (0, 1)
    assert "a y" in asked_of(endpoint, JUDGE)[0]


@pytest.mark.parametrize(("option", "what"), [("--from-calls", "call"), ("--from-sessions", "session")])
def test_no_calls_are_no_dataset(option: str, what: str, lqo: Lqo) -> None:
    done = lqo.run(option, "--judge", JUDGE, "--judge-base-url", "http://127.0.0.1:1")
    assert done.code == 2
    assert done.err.startswith(f"lqo: there is no {what} ")


def test_sessions_are_put_together_and_graded_whole(
    lqo: Lqo, tmp_path: Path, connection: psycopg.Connection[TupleRow]
) -> None:
    rows: list[dict[str, Any]] = []
    for session in ("s1", "s2"):
        told: list[dict[str, str]] = [said("system", "Be kind.")]
        for turn in range(3):
            told.append(said("user", f"{session} asks {turn}"))
            answer = f"{session} hears {turn}"
            rows.append({"messages": [*told], "session_id": session, "output_text": answer})
            told.append(said("assistant", answer))
    rows.append({"messages": [said("user", "alone")], "session_id": "single", "output_text": "x"})
    land(connection, rows)
    with judge_endpoint_in_thread(staged(Stage())) as endpoint:
        done = lqo.run("--from-sessions", "--rubric", "session", endpoint=endpoint)
    assert (done.code, done.summary["n_items"]) == (0, 2)
    judged = asked_of(endpoint, JUDGE)
    assert len(judged) == 2
    for session, shown in zip(("s1", "s2"), sorted(judged, key=lambda text: "s2 asks" in text), strict=True):
        places = [shown.index(f"{session} {verb} {turn}") for turn in range(3) for verb in ("asks", "hears")]
        assert places == sorted(places)
        assert shown.count(f"{session} asks 0") == 1
    assert done.summary["measures"]["session.mean"]["n"] == 2
