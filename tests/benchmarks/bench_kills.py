"""kill -9 of the proxy at 200 random moments under load: calls acknowledged, landed, lost.

python tests/benchmarks/bench_kills.py --kills 200 [--strict]
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from ingest.database.connect import connect
from ingest.database.embedded import start_embedded
from ingest.database.migrate import migrate
from ingest.loader import run_loader
from ingest.settings import Settings
from ingest.spool.writer import Spool
from tests.ingest.kill_load import Seen, kill_under_load
from tests.ingest.upstream import running_provider


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="lqo-kills-") as folder:
        home = Path(folder)
        seen = asyncio.run(_load(home, kills=options.kills, seed=options.seed, strict=options.strict))
        settings = Settings(home=home)
        Spool(settings.spool).close()
        server = start_embedded(home / "postgres")
        try:
            migrate(server.url)
            result = run_loader(settings, server.url, once=True)
            with connect(server.url) as connection:
                landed = dict(connection.execute("select call_id, status from raw.llm_calls").fetchall())
        finally:
            server.stop()
    lost = sum(landed.get(call_id) != "ok" for call_id in seen.whole)
    print(f"{seen.kills} kills, {len(seen.whole):,} answers acknowledged, {result}, {lost} lost")


async def _load(home: Path, *, kills: int, seed: int, strict: bool) -> Seen:
    async with running_provider() as provider:
        return await kill_under_load(home, provider.url, kills=kills, seed=seed, strict=strict)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--strict", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
