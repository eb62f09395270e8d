"""Which months of `marts.cost_hourly` changed since the books were closed last.

Triggers on the mart write down the month of every row that is added, changed or taken away, in the very
transaction that does it, whoever does it and why. After a close, what was stated of a month is what the mart
holds of it; so a month that is not written down since needs no adjustment, and need not be read.

Where nobody can be sure (the mart was made anew, a trigger is missing or off, the last close was of before
there were any), all months count as changed.
"""

from collections.abc import Iterable
from datetime import date
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

_FIND: LiteralString = """
select string_agg(oid::text, ' ' order by tgname)
from pg_trigger
where tgrelid = to_regclass('marts.cost_hourly')
    and tgfoid = 'cost.mark_changed_months'::regproc
    and tgname in ('books_see_inserts', 'books_see_updates', 'books_see_deletes', 'books_see_truncates')
    and tgenabled = 'A'
having count(*) = 4
"""

# ALWAYS: a session that replays a log would switch others off.
_WATCH: LiteralString = """
drop trigger if exists books_see_inserts on marts.cost_hourly;
drop trigger if exists books_see_updates on marts.cost_hourly;
drop trigger if exists books_see_deletes on marts.cost_hourly;
drop trigger if exists books_see_truncates on marts.cost_hourly;
create trigger books_see_inserts after insert on marts.cost_hourly referencing new table as changed
    for each statement execute function cost.mark_changed_months();
create trigger books_see_updates after update on marts.cost_hourly
    referencing old table as gone new table as changed
    for each statement execute function cost.mark_changed_months();
create trigger books_see_deletes after delete on marts.cost_hourly referencing old table as changed
    for each statement execute function cost.mark_changed_months();
create trigger books_see_truncates after truncate on marts.cost_hourly
    for each statement execute function cost.mark_changed_months();
alter table marts.cost_hourly enable always trigger books_see_inserts;
alter table marts.cost_hourly enable always trigger books_see_updates;
alter table marts.cost_hourly enable always trigger books_see_deletes;
alter table marts.cost_hourly enable always trigger books_see_truncates
"""

_SINCE: LiteralString = "select watched_by from cost.chargebacks where month < %s order by month desc limit 1"


def watch(connection: Connection[TupleRow]) -> str:
    """The name of the triggers that write from now on; made where there are none, in the caller's
    transaction, which then waits for whoever is writing the mart."""
    if (found := _watching(connection)) is not None:
        return found
    connection.execute(_WATCH)
    if (made := _watching(connection)) is None:
        raise RuntimeError("marts.cost_hourly cannot be watched")
    return made


def is_sure(connection: Connection[TupleRow], month: date) -> bool:
    """Whether every change since the close before `month` is written down."""
    row = connection.execute(_SINCE, [month]).fetchone()
    return row is not None and row[0] is not None and row[0] == _watching(connection)


def take_changed(connection: Connection[TupleRow]) -> set[date]:
    """The months written down. Until the end of the transaction nobody writes them down again: who had
    begun to has committed, and is seen by the next statement."""
    rows = connection.execute("select month from cost.changed_months order by month for update").fetchall()
    return {month for (month,) in rows}


def see_changed(connection: Connection[TupleRow]) -> set[date]:
    """The months written down by now."""
    return {month for (month,) in connection.execute("select month from cost.changed_months").fetchall()}


def forget(connection: Connection[TupleRow], months: Iterable[date]) -> None:
    """Of these everything has been stated, or will be by their own close. They must be taken: one that was
    written down meanwhile stays."""
    connection.execute("delete from cost.changed_months where month = any(%s)", [list(months)])


def _watching(connection: Connection[TupleRow]) -> str | None:
    row = connection.execute(_FIND).fetchone()
    return None if row is None else row[0]
