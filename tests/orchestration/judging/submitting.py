"""`python -m …judging.submitting`: asks the judges of DATABASE_URL in batches, to be killed meanwhile."""

import os
import sys

from ingest.database.connect import connect
from ingest.database.url import parse_url
from tests.orchestration.judging.batching import ask


def main() -> None:
    with connect(parse_url(os.environ["DATABASE_URL"]), autocommit=True) as connection:
        sys.stdout.write(f"{ask(connection)}\n")


if __name__ == "__main__":
    main()
