"""A replay that is killed at any moment pays for no request twice, and for no more than it was told."""

import json
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.judge_endpoint import JudgeEndpoint, judge_endpoint_in_thread
from tests.orchestration.comparison.playing import JUDGE, Lqo, environment
from tests.orchestration.counterfactual.playing import DAY, land, play, questions

N = 16
CONCURRENCY = 4


def arguments(endpoint: JudgeEndpoint) -> list[str]:
    return [
        *("--from", DAY, "--to", DAY, "--models", "cheap", "--max-usd", "5", "--max-tokens", "200"),
        *("--base-url", endpoint.url, "--judge", JUDGE, "--concurrency", str(CONCURRENCY)),
        *("--format", "json"),
    ]


@pytest.mark.parametrize(("model", "number"), [("cheap", 9), (JUDGE, 19)])
def test_no_request_is_sent_twice_whenever_the_replay_is_killed(
    model: str, number: int, whatif: Lqo, connection: psycopg.Connection[TupleRow]
) -> None:
    land(connection, questions(N))
    running: list[subprocess.Popen[str]] = []
    count = 0

    def kill(body: dict[str, Any]) -> None:
        nonlocal count
        count += body["model"] == model
        if count == number and body["model"] == model:
            running[0].kill()

    with judge_endpoint_in_thread(play({"cheap": 4}, latency_s=0.01, on_request=kill)) as endpoint:
        command = [sys.executable, "-m", "orchestration", "whatif", "replay", *arguments(endpoint)]
        running.append(
            subprocess.Popen(
                command,
                env=environment(whatif.home, whatif.url),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        running[0].communicate(timeout=120)
        assert running[0].returncode == -9
        endpoint.on_request = lambda body: None
        done = whatif("replay", *arguments(endpoint))
        again = whatif("replay", *arguments(endpoint))
        sent = Counter(json.dumps(asked.body, sort_keys=True) for asked in endpoint.ledger)
    assert done.code == again.code == 0, (done, again)
    assert sent.most_common(1)[0][1] == 1
    (frontier,) = json.loads(done.out)
    doubtful = sum(point["unscored"].get("in_doubt", 0) for point in frontier["points"])
    graded = sum(point["n_graded"] for point in frontier["points"])
    assert doubtful <= CONCURRENCY
    assert graded + doubtful == 2 * N
    claims = connection.execute(
        "select count(*) filter (where settled_at is null), sum(coalesce(spent_usd, reserved_usd)), count(*)"
        " from evaluation.replay_claims"
    ).fetchone()
    assert claims
    assert claims[0] == doubtful
    # Whatever was sent stands in the ledger, and what is in doubt counts as spent.
    assert claims[2] >= len(sent)
    assert Decimal(frontier["spent_usd"]) == claims[1]
