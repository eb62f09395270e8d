"""Two refreshes and a backfill of one day at once, and the same day by a single run."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from tests.dbt_project.marts import snapshot
from tests.dbt_project.running_dbt import Dbt, days, hours, running_dbt
from tests.dbt_project.seed import seed_calls


@dataclass(frozen=True, slots=True)
class Race:
    """One round: which marts differ from a single run, and what a runner complained of."""

    different: tuple[str, ...]
    complaints: tuple[str, ...]


@contextmanager
def three_runners(scratch: Path, *, parsed: Path | None = None) -> Iterator[list[Dbt]]:
    """Three warm dbt processes with folders of their own."""
    folders = [scratch / f"runner-{number}" for number in range(3)]
    with ExitStack() as stack:
        yield [stack.enter_context(running_dbt(folder, parsed=parsed)) for folder in folders]


def race(
    connection: psycopg.Connection[TupleRow],
    runners: Sequence[Dbt],
    *,
    url: DatabaseUrl,
    day: date,
    number: int,
) -> Race:
    """Change the day's source, run all three at once, then compare with one run alone."""
    change_source(connection, day=day, number=number)
    first_refresh, second_refresh, backfill = runners
    first_refresh.start("run", "--selector", "refresh", url=url, windows=hours(day, 3, 12))
    second_refresh.start("run", "--selector", "refresh", url=url, windows=hours(day, 6, 24))
    backfill.start("run", "--selector", "refresh", url=url, windows=days(day))
    outcomes = [runner.finish() for runner in runners]
    raced = snapshot(connection)
    backfill.build(url, windows=days(day))
    alone = snapshot(connection)
    return Race(
        different=tuple(mart for mart in alone if raced[mart] != alone[mart]),
        complaints=tuple(outcome.text for outcome in outcomes if not outcome.success),
    )


def change_source(connection: psycopg.Connection[TupleRow], *, day: date, number: int) -> None:
    """Calls vanish, change and arrive all over the day, differently in every round."""
    arguments = {"day": day, "number": number}
    connection.execute(
        """
        delete from raw.llm_calls
        where started_at >= %(day)s::timestamp at time zone 'UTC'
            and started_at < (%(day)s + 1)::timestamp at time zone 'UTC'
            and get_byte(content_hash, 5) = %(number)s %% 256
        """,
        arguments,
    )
    connection.execute(
        """
        update raw.llm_calls set finish_reason = 'round ' || %(number)s
        where started_at >= %(day)s::timestamp at time zone 'UTC'
            and started_at < (%(day)s + 1)::timestamp at time zone 'UTC'
            and get_byte(content_hash, 6) = %(number)s %% 256
        """,
        arguments,
    )
    seed_calls(connection, day=day, calls=60, salt=f"round {number}")
    connection.commit()
