"""A proxy that is killed while it holds an answer in memory."""

import asyncio
import json
from pathlib import Path

import aiohttp

from ingest.access.snapshot import ProjectRow, Snapshot, save_snapshot
from ingest.loading.assembly import assemble
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.privacy.private_calls import SECRETS, found_in, on_disk
from tests.ingest.running_proxy import calls_in
from tests.ingest.upstream import Provider


async def test_a_killed_stream_lands_interrupted_without_its_text(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    save_snapshot(tmp_path, Snapshot(version=1, projects=(ProjectRow(project="*", keep="masked"),)))
    messages = [{"role": "user", "content": f"나는 {SECRETS[0]}"}]
    body = json.dumps({"model": "stream-stall", "stream": True, "messages": messages}).encode()
    async with killable_proxy(tmp_path, provider.url) as (url, process):
        async with http.post(f"{url}/v1/chat/completions", data=body) as response:
            await response.content.readany()
            process.kill()
            await asyncio.to_thread(process.wait)
        (call,) = calls_in(tmp_path / "spool").values()
        assert found_in(on_disk(tmp_path)) == []
    landed = assemble(call.start, parts=call.parts, end=call.end)
    assert (landed.status, landed.body_state) == ("interrupted", "masked")
    assert (landed.input_text, landed.output_text) == ("나는 [email]", None)
