"""An import or a loader in a process of its own, to be killed: prints what it did as one line of JSON."""

import json
import sys
from pathlib import Path

from ingest.database.url import parse_url
from ingest.importers.files import import_files
from ingest.loader import run_loader
from ingest.settings import Settings


def main(verb: str, url: str, home: str, *paths: str) -> None:
    settings, database = Settings(home=Path(home)), parse_url(url)
    print("ready", flush=True)
    if verb == "import":
        result = import_files([Path(path) for path in paths], settings=settings, url=database)
    else:
        result = run_loader(settings, database, once=True)
    print(json.dumps([result.landed, result.already_there, result.rejected]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
