"""A real HTTP server that plays OpenAI's files and batches: `with running_batches() as provider: …`.

It runs in a thread of its own, so that clients of any kind, in this process or another, can talk to it. A
batch moves one state on each time somebody looks at it (validating, in_progress, finalizing, its ending),
unless `is_held`. What it executed, and so bills, stands in `executed`. How it behaves is set on the object:
`answer` says what a request gets, `ending` and `n_before_end` how batches end, `mangle` spoils the bytes of
an output file, `on_event` is called at the named moments (and may kill the client), `refusals` answers the
next requests of a path with an HTTP status.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from aiohttp import web

from evaluators.judging.batches import MOST_BYTES
from tests.batch_provider import KEY, BatchProvider, Json, StoredFile


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


def _missing() -> web.Response:
    return _error(404, "not_found", "There is no such object.")


def _error(status: int, code: str, message: str) -> web.Response:
    error = {"message": message, "type": "error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)
