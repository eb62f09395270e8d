"""A provider of batches without its HTTP: files, batches, and what becomes of their requests."""

import itertools
import json
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from evaluators.judging.batches import MOST_REQUESTS

KEY = "sk-test-batches"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
ENDED = frozenset({"completed", "expired", "cancelled", "failed"})
DAY_SECONDS = 86_400

Json = dict[str, Any]
Reply = tuple[int, Json]


@dataclass
class StoredFile:
    """An uploaded or produced file; `is_deleted` ones answer 404 but stay for the test to see."""

    id: str
    filename: str
    purpose: str
    content: bytes
    created_at: int
    is_deleted: bool = False

    def document(self) -> Json:
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass
class StoredBatch:
    """A batch: what the API shows of it, its requests in the file's order, and whether it was worked on."""

    document: Json
    requests: list[Json] = field(default_factory=list[Json])
    errors: list[Json] = field(default_factory=list[Json])
    is_worked: bool = False


@dataclass
class BatchProvider:
    """The provider's state and its script; `url` is the base URL with `/v1`."""

    url: str = ""
    files: dict[str, StoredFile] = field(default_factory=dict[str, StoredFile])
    batches: dict[str, StoredBatch] = field(default_factory=dict[str, StoredBatch])
    executed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    refusals: dict[tuple[str, str], deque[int]] = field(default_factory=dict[tuple[str, str], deque[int]])
    answer: Callable[[Json], Reply] = lambda request: completion('{"reason": "Plain.", "score": 4}')
    ending: str = "completed"
    n_before_end: int | None = None
    is_held: bool = False
    is_listed_late: bool = False
    mangle: Callable[[list[bytes]], bytes] = b"".join
    errors: Callable[[list[Json]], list[Json]] = lambda requests: []
    on_event: Callable[[str], None] = lambda event: None
    seed: int = 7
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def paid(self) -> list[str]:
        """The custom ids that were executed, one for each time."""
        return [custom_id for _, custom_id in self.executed]

    def times(self, method: str, path: str) -> int:
        """How often a path (without /v1) was asked for."""
        return self.asked.count((method, path))

    def finish(self) -> None:
        """Bring every batch to its end."""
        for batch in self.batches.values():
            while batch.document["status"] not in ENDED:
                self._advance(batch)

    def add_file(self, content: bytes, *, filename: str, purpose: str) -> StoredFile:
        name = f"file-{len(self.files):04}"
        self.files[name] = StoredFile(name, filename, purpose, content, int(time.time()))
        return self.files[name]

    def add_batch(self, given: Json) -> StoredBatch:
        name, now = f"batch_{next(self.numbers):04}", int(time.time())
        document = {
            "id": name,
            "object": "batch",
            "endpoint": given["endpoint"],
            "completion_window": given["completion_window"],
            "input_file_id": given["input_file_id"],
            "metadata": given.get("metadata"),
            "status": "validating",
            "created_at": now,
            "expires_at": now + DAY_SECONDS,
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        self.batches[name] = StoredBatch(document)
        return self.batches[name]

    def look(self, name: str) -> Json:
        """A client asks after a batch, which moves it on."""
        batch = self.batches[name]
        shown = dict(batch.document)
        if not self.is_held and shown["status"] not in ENDED:
            self._advance(batch)
        return shown

    def cancel(self, name: str) -> Json:
        batch = self.batches[name]
        if batch.document["status"] not in ENDED:
            batch.document["status"] = "cancelling"
        return dict(batch.document)

    def _advance(self, batch: StoredBatch) -> None:
        status = batch.document["status"]
        if status == "validating":
            self._validate(batch)
        elif status == "in_progress":
            batch.document["status"] = "finalizing"
        elif status in ("finalizing", "cancelling"):
            self._work(batch, ending="cancelled" if status == "cancelling" else self.ending)

    def _validate(self, batch: StoredBatch) -> None:
        content = self.files[batch.document["input_file_id"]].content
        problems = _file_problems(content, endpoint=batch.document["endpoint"])
        if not problems:
            batch.requests = [json.loads(line) for line in content.splitlines()]
            problems = self.errors(batch.requests)
        if problems:
            batch.document |= {"status": "failed", "errors": {"object": "list", "data": problems}}
        else:
            batch.document["status"] = "in_progress"
            batch.document["request_counts"]["total"] = len(batch.requests)

    def _work(self, batch: StoredBatch, *, ending: str) -> None:
        """Execute in a random order up to the end, and leave the rest as errors."""
        requests = list(batch.requests)
        random.Random(self.seed).shuffle(requests)
        n_executed = len(requests) if self.n_before_end is None else self.n_before_end
        if ending == "cancelled" and self.n_before_end is None:
            n_executed = 0
        output, errors = list[bytes](), list[bytes]()
        for request in requests[:n_executed]:
            line = self._execute(batch, request)
            (output if line["response"]["status_code"] < 400 else errors).append(_line(line))
        if ending != "completed":
            errors += [_line(_unexecuted(request, code=ending)) for request in requests[n_executed:]]
        counts = {"total": len(requests), "completed": len(output), "failed": len(errors)}
        batch.document |= {"status": ending, "request_counts": counts}
        for key, lines in (("output_file_id", output), ("error_file_id", errors)):
            if lines:
                content = self.mangle(lines) if key == "output_file_id" else b"".join(lines)
                made = self.add_file(content, filename=f"{key}.jsonl", purpose="batch_output")
                batch.document[key] = made.id

    def _execute(self, batch: StoredBatch, request: Json) -> Json:
        name = batch.document["id"]
        status, body = self.answer(request)
        if status < 400:
            self.executed.append((name, request["custom_id"]))
        return {
            "id": f"batch_req_{name}_{request['custom_id']}",
            "custom_id": request["custom_id"],
            "response": {"status_code": status, "request_id": "req", "body": body},
            "error": None,
        }


def completion(text: str, *, model: str = "judge-model-2026", usage: Json | None = None) -> Reply:
    """An executed chat completion with this text."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return 200, {
        "id": "chatcmpl-batch",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": usage or USAGE,
        "service_tier": "default",
    }


def refusal(status: int, code: str, message: str = "It is not possible.") -> Reply:
    """An error of the provider's for one request."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return status, {"error": error}


def _file_problems(content: bytes, *, endpoint: str) -> list[Json]:
    """What the real validation finds, by its documented codes."""
    lines = content.splitlines()
    if not lines:
        return [_problem("empty_file", None)]
    if len(lines) > MOST_REQUESTS:
        return [_problem("too_many_tasks", None)]
    problems, ids, models = list[Json](), set[str](), set[str]()
    for number, line in enumerate(lines, start=1):
        try:
            request = json.loads(line)
        except ValueError:
            problems.append(_problem("invalid_json_line", number))
            continue
        models.add(request["body"]["model"])
        if request["custom_id"] in ids:
            problems.append(_problem("duplicate_custom_id", number))
        if request["url"] != endpoint or request["method"] != "POST":
            problems.append(_problem("url_mismatch", number))
        if len(models) > 1:
            problems.append(_problem("model_mismatch", number))
        ids.add(request["custom_id"])
    return problems


def _problem(code: str, line: int | None) -> Json:
    return {"code": code, "line": line, "message": f"The file is wrong: {code}.", "param": None}


def _unexecuted(request: Json, *, code: str) -> Json:
    error = {"code": f"batch_{code}", "message": f"This request was not executed: the batch {code}."}
    return {
        "id": f"batch_req_{request['custom_id']}",
        "custom_id": request["custom_id"],
        "response": None,
        "error": error,
    }


def _line(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
