"""A real HTTP server that plays OpenAI's files and batches: `with running_batches() as provider: …`.

It runs in a thread of its own, so that clients of any kind, in this process or another, can talk to it. A
batch moves one state on each time somebody looks at it (validating, in_progress, finalizing, its ending),
unless `is_held`. What it executed, and so bills, stands in `executed`. How it behaves is set on the object:
`answer` says what a request gets, `ending` and `n_before_end` how batches end, `mangle` spoils the bytes of
an output file, `on_event` is called at the named moments (and may kill the client), `refusals` answers the
next requests of a path with an HTTP status.
"""

import asyncio
import itertools
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from evaluators.judging.batches import MOST_BYTES, MOST_REQUESTS

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


@contextmanager
def running_batches() -> Iterator[BatchProvider]:
    """Serve on a free port of 127.0.0.1, in a thread, until the block ends."""
    provider = BatchProvider()
    loop, is_up = asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(_app(provider), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        provider.url = f"http://127.0.0.1:{port}/v1"
        is_up.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert is_up.wait(30), "the provider did not start"
    try:
        yield provider
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


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


def _app(provider: BatchProvider) -> web.Application:
    app = web.Application(client_max_size=256 << 20, middlewares=[_guard(provider)])
    app.router.add_post("/v1/files", partial(_upload, provider))
    app.router.add_get("/v1/files", partial(_list_files, provider))
    app.router.add_get("/v1/files/{id}", partial(_file, provider))
    app.router.add_delete("/v1/files/{id}", partial(_delete, provider))
    app.router.add_get("/v1/files/{id}/content", partial(_content, provider))
    app.router.add_post("/v1/batches", partial(_create, provider))
    app.router.add_get("/v1/batches", partial(_list_batches, provider))
    app.router.add_get("/v1/batches/{id}", partial(_retrieve, provider))
    app.router.add_post("/v1/batches/{id}/cancel", partial(_cancel, provider))
    return app


def _guard(provider: BatchProvider) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        kind = (request.method, request.path.removeprefix("/v1"))
        provider.asked.append(kind)
        planned = provider.refusals.get(kind)
        if planned:
            return _error(planned.popleft(), "planned", "The test asked for this.")
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "invalid_api_key", "Incorrect API key provided.")
        return await handler(request)

    return guard


async def _upload(provider: BatchProvider, request: web.Request) -> web.Response:
    provider.on_event("upload_begins")
    form = await request.post()
    given = form["file"]
    if not isinstance(given, web.FileField):
        return _error(400, "invalid_file", "There is no file.")
    content = given.file.read()
    if len(content) > MOST_BYTES:
        return _error(400, "file_too_large", "File is too large.")
    if not given.filename.endswith(".jsonl"):
        return _error(400, "invalid_file", "Invalid file format for Batch API. Must be .jsonl")
    stored = provider.add_file(content, filename=given.filename, purpose=str(form["purpose"]))
    provider.on_event("uploaded")
    return web.json_response(stored.document())


async def _list_files(provider: BatchProvider, request: web.Request) -> web.Response:
    purpose = request.query.get("purpose")
    found = [
        file.document()
        for file in provider.files.values()
        if not file.is_deleted and purpose in (None, file.purpose)
    ]
    return _page(found[::-1] if request.query.get("order") != "asc" else found, request)


async def _file(provider: BatchProvider, request: web.Request) -> web.Response:
    file = _stored(provider, request)
    return _missing() if file is None else web.json_response(file.document())


async def _delete(provider: BatchProvider, request: web.Request) -> web.Response:
    file = _stored(provider, request)
    if file is None:
        return _missing()
    file.is_deleted = True
    return web.json_response({"id": file.id, "object": "file", "deleted": True})


async def _content(provider: BatchProvider, request: web.Request) -> web.Response:
    file = _stored(provider, request)
    if file is None:
        return _missing()
    return web.Response(body=file.content, content_type="application/octet-stream")


async def _create(provider: BatchProvider, request: web.Request) -> web.Response:
    provider.on_event("create_begins")
    given = await request.json()
    file = provider.files.get(given["input_file_id"])
    if file is None or file.is_deleted or file.purpose != "batch":
        return _error(400, "invalid_request", "There is no such input file.")
    batch = provider.add_batch(given)
    provider.on_event("batch_made")
    return web.json_response(batch.document)


async def _list_batches(provider: BatchProvider, request: web.Request) -> web.Response:
    found = [] if provider.is_listed_late else [batch.document for batch in provider.batches.values()]
    return _page(found[::-1], request)


async def _retrieve(provider: BatchProvider, request: web.Request) -> web.Response:
    if request.match_info["id"] not in provider.batches:
        return _missing()
    return web.json_response(provider.look(request.match_info["id"]))


async def _cancel(provider: BatchProvider, request: web.Request) -> web.Response:
    if request.match_info["id"] not in provider.batches:
        return _missing()
    return web.json_response(provider.cancel(request.match_info["id"]))


def _page(found: list[Json], request: web.Request) -> web.Response:
    """A cursor page: `after` an id, at most `limit`."""
    after, limit = request.query.get("after"), int(request.query.get("limit", "20"))
    ids = [item["id"] for item in found]
    start = ids.index(after) + 1 if after in ids else 0
    page = found[start : start + limit]
    return web.json_response({"object": "list", "data": page, "has_more": start + limit < len(found)})


def _stored(provider: BatchProvider, request: web.Request) -> StoredFile | None:
    file = provider.files.get(request.match_info["id"])
    return None if file is None or file.is_deleted else file


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


def _missing() -> web.Response:
    return _error(404, "not_found", "There is no such object.")


def _error(status: int, code: str, message: str) -> web.Response:
    error = {"message": message, "type": "error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)
