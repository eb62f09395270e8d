"""`python -m tests.orchestration.judging.collecting`: collects what is due in DATABASE_URL, to be killed.

It kills itself with -9 in the transaction of the answers whose number is given.
"""

import os
import signal
import sys

from ingest.database.connect import connect
from ingest.database.url import parse_url
from orchestration.judging import batches_collect, batches_settle
from orchestration.judging.batches_tend import tend_batches


def main() -> None:
    deadly, seen = int(sys.argv[1]), 0
    batches_collect.CHUNK_RESULTS = 3  # type: ignore[misc]
    book = batches_settle.book

    def book_or_die(*args: object, **kwargs: object) -> None:
        nonlocal seen
        seen += 1
        book(*args, **kwargs)  # type: ignore[arg-type]
        if seen == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    batches_settle.book = book_or_die
    with connect(parse_url(os.environ["DATABASE_URL"]), autocommit=True) as connection:
        tend_batches(connection)


if __name__ == "__main__":
    main()
