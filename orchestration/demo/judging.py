"""A simulated judge grades a small sample of the demo's calls, so that the page shows what judges are for."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import psycopg

from orchestration.demo.models import LOOPS, REFUSALS, REGRESSED_MODEL
from orchestration.demo.traffic import Plan
from orchestration.windows import Window

if TYPE_CHECKING:
    from orchestration.judging.judges import Judge
    from orchestration.judging.judging import JudgeRun

NAME = "demo-judge"
RATE = 0.09
MOST_CALLS = 60
DAYS_JUDGED = 2
ANSWER_BEGINS, ANSWER_ENDS = " the answer to grade ===\n", "\n=== "


def judge_sample(connection: psycopg.Connection, plan: Plan, *, first: date) -> "JudgeRun":
    """Ask about some 50 calls of the model that got worse, on its last good day and its first bad one.

    At most 60 calls, and none at all the second time. The judge is disabled afterwards: there is nobody to
    ask once the demo is over. Raises JudgeError where another judge has its rubric.
    """
    from orchestration.judging.judges import enable_judge
    from orchestration.judging.judging import judge_window

    with serve_judge() as url:
        judge = _judge(connection, url)
        try:
            (run,) = judge_window(connection, judged_days(plan, first=first), judges=[judge])
        finally:
            enable_judge(connection, NAME, is_enabled=False)
    if run.problem:
        raise RuntimeError(run.problem)
    return run


def judged_days(plan: Plan, *, first: date) -> Window:
    """The day before the regression and its first day, or the first two days of a shorter demo."""
    day = max(first, plan.regression[0].date() - timedelta(days=1))
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Window(start, start + timedelta(days=DAYS_JUDGED))


def _judge(connection: psycopg.Connection, url: str) -> "Judge":
    """The demo's judge at this address, made if it is not there."""
    from orchestration.judging.judges import Judge, add_judge, list_judges, rubric_text
    from orchestration.judging.policies import Policy, put_policy

    for judge in list_judges(connection):
        if judge.judge == NAME:
            return replace(judge, base_url=url)
    policy = Policy(
        policy="demo", rate=RATE, on_failure=False, models=[REGRESSED_MODEL], max_calls_per_day=MOST_CALLS
    )
    text, rubric = rubric_text("helpfulness")
    return add_judge(
        connection,
        Judge(
            judge=NAME,
            evaluator=rubric.name,
            rubric=text,
            provider="openai",
            model="simulated-judge",
            base_url=url,
            policy=put_policy(connection, policy).policy,
        ),
    )


@contextmanager
def serve_judge() -> Iterator[str]:
    """An OpenAI-compatible endpoint on a free port of 127.0.0.1 until the block ends; yields its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
            answer = json.dumps(completion(body)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (as in the base class)
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # A client that keeps its connection must not keep the demo.
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def completion(body: dict[str, Any]) -> dict[str, Any]:
    """The verdict on the answer that the request shows, as a chat completion."""
    asked = str(body["messages"][-1]["content"])
    answer = asked.partition(ANSWER_BEGINS)[2].rpartition(ANSWER_ENDS)[0]
    grade, reason = verdict(answer)
    text = json.dumps({"reason": reason, "score": grade})
    usage = {"prompt_tokens": sum(len(str(message["content"])) for message in body["messages"]) // 4}
    usage |= {"completion_tokens": len(text) // 4, "total_tokens": usage["prompt_tokens"] + len(text) // 4}
    message = {"role": "assistant", "content": text}
    return {
        "id": f"chatcmpl-{sha256(asked.encode()).hexdigest()[:12]}",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }


def verdict(answer: str) -> tuple[int, str]:
    """A grade by how the demo's models fail, with its reason; good answers get 4 or 5, always the same."""
    if any(answer.startswith(refusal) for refusal in REFUSALS.values()):
        return 1, "The answer refuses a plain request."
    if any(answer.count(loop.strip()) > 1 for loop in LOOPS.values()):
        return 1, "The answer repeats one sentence over and over."
    if answer.lstrip().startswith("{"):
        try:
            json.loads(answer)
        except ValueError:
            return 2, "JSON was asked for, and the answer cannot be parsed."
    elif answer[-1:].isalnum() or answer[-1:] in (",", ""):
        return 2, "The answer breaks off in the middle of a sentence."
    return 4 + sha256(answer.encode()).digest()[0] % 2, "The answer does what was asked for."
