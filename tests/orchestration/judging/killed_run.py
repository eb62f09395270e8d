"""A process that judges the seeded day: `python -m tests.orchestration.judging.killed_run URL`."""

import sys

from ingest.database.connect import connect
from ingest.database.url import parse_url
from orchestration.judging.judging import judge_window
from tests.orchestration.seeding import DAY

if __name__ == "__main__":
    with connect(parse_url(sys.argv[1]), autocommit=True) as connection:
        print(*judge_window(connection, DAY))
