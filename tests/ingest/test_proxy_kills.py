"""kill -9 of the whole proxy at random moments under load: what a client had to the end is whole in `raw`."""

from pathlib import Path

import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.loader import run_loader
from ingest.settings import Settings
from ingest.spool.writer import Spool
from tests.ingest.kill_load import kill_under_load
from tests.ingest.upstream import Provider

KILLS = 20


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["process", "strict"])
async def test_a_proxy_killed_again_and_again_loses_no_acknowledged_call(
    tmp_path: Path, provider: Provider, warehouse: DatabaseUrl, durability: str
) -> None:
    seen = await kill_under_load(tmp_path, provider.url, kills=KILLS, seed=17, strict=durability == "strict")
    assert len(seen.whole) > KILLS
    settings = Settings(home=tmp_path)
    Spool(settings.spool).close()
    result = run_loader(settings, warehouse, once=True)
    assert result.rejected == 0
    with connect(warehouse) as connection:
        landed = dict(connection.execute("select call_id, status from raw.llm_calls").fetchall())
        ids = connection.execute("select count(*) from raw.llm_calls").fetchone()
    assert ids == (len(landed),)
    assert {call_id for call_id in seen.whole if landed.get(call_id) != "ok"} == set()
    assert seen.begun <= landed.keys()
    assert set(landed.values()) <= {"ok", "interrupted", "client_gone", "error"}
