"""What a rule's SQL may do: read the marts, alone, for a while. Nothing else."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.definition.load import load_path, load_rule_set
from orchestration.alerts.definition.model import MartMetric, Rule, SqlMetric
from orchestration.alerts.reading.catalogue import BUILT_IN, Reader
from orchestration.alerts.reading.guard import embedded, fetch, guarded
from orchestration.alerts.reading.read import read_windows
from orchestration.alerts.reading.trial import find_rule_faults
from orchestration.alerts.reading.types import ReadingError, Window
from tests.orchestration.alerts.conftest import NOON, Marts, shipped

WINDOW = (NOON - timedelta(hours=1), NOON)
VALUE = "select 1 as value, 1 as n"


def asking(query: str) -> Rule:
    return msgspec.structs.replace(shipped("refresh_backlog"), metric=SqlMetric(query=query), group_by=[])


def refusal(marts: Marts, query: str) -> str:
    with pytest.raises(ReadingError) as error:
        read_windows(marts.connection, asking(query), windows=[WINDOW])
    # The caller's transaction, role and rights are as they were.
    assert marts.connection.execute("select current_user = session_user").fetchone() == (True,)
    marts.connection.execute("create temporary table still_writes (n integer) on commit drop")
    marts.connection.execute("drop table still_writes")
    return str(error.value)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select count(*) as value, 1 as n from raw.llm_bodies", "permission denied for schema raw"),
        ("select count(*) as value, 1 as n from access.api_keys", "permission denied for schema access"),
        ("select count(*) as value, 1 as n from alerting.states", "permission denied for schema alerting"),
        ("select nextval('raw.dirty_versions') as value, 1 as n", "permission denied for schema raw"),
        (
            "select pg_read_file('/etc/passwd') as value, 1 as n",
            "denied for function pg_read_file",
        ),
        (f"{VALUE}; drop table marts.calls", "syntax error"),
        (f"{VALUE}) as found; drop table marts.calls; select (1", "cannot insert multiple commands"),
        (
            "with gone as (delete from marts.calls returning 1) select 1 as value, 1 as n from gone",
            "WITH clause containing a data-modifying statement must be at the top level",
        ),
        ("delete from marts.calls returning 1 as value, 1 as n", "syntax error"),
        (
            "select n_calls as value, 1 as n from marts.cost_daily for update",
            "cannot execute SELECT FOR UPDATE",
        ),
        ("select set_config('role', 'none', true) as value, 1 as n", "may not hold set_config"),
        ("select U&\"\\0073et_config\"('role', 'none', true) as value, 1 as n", "may not hold U&"),
        ("select pg_advisory_lock(1)::text::float8 as value, 1 as n", "may not hold pg_advisory_lock"),
        ("select pg_sleep(60)::text::float8 as value, 1 as n", "may not hold pg_sleep"),
        (
            "select count(*) as value, 1 as n"
            " from ts_stat('select to_tsvector(set_' || 'config(''role'', ''none'', true))')",
            "may not hold ts_stat",
        ),
        (
            "select length(query_to_xml('select 1', true, true, '')::text) as value, 1 as n",
            "may not hold query_to_xml",
        ),
        ("select * from dblink('dbname=x', 'select 1') as t (value float8, n int)", "may not hold dblink"),
        ("select lo_create(0)::text::float8 as value, 1 as n", "in a read-only transaction"),
        ("select 1 as valu, 1 as n", "column found.value does not exist"),
        ("select '나쁘다 💥' as value, 1 as n", "invalid input syntax for type double precision"),
        ("select 1 / 0 as value, 1 as n", "division by zero"),
        ("select generate_series(1, 300000) as value, 1 as n", "more than 200,000 groups"),
        ("select generate_series(1, 2) as value, 1 as n", "gives two rows for all"),
        ("", "syntax error"),
    ],
)
def test_a_rule_that_does_more_than_read_marts_fails_in_a_line(marts: Marts, query: str, reason: str) -> None:
    told = refusal(marts, query)

    assert reason in told
    assert "\n" not in told


def test_what_runs_too_long_is_stopped(marts: Marts) -> None:
    slow = "select count(*) from generate_series(1, 100000000) as a cross join generate_series(1, 99) as b"
    with (
        pytest.raises(ReadingError, match=r"^runs longer than 0\.05 s$"),
        guarded(marts.connection, seconds=0.05),
    ):
        fetch(marts.connection, slow, {})

    assert marts.connection.execute("show statement_timeout").fetchone() == ("0",)


def test_more_rows_than_are_kept_are_not_sent(marts: Marts) -> None:
    with (
        pytest.raises(ReadingError, match=r"^gives more than 200,000 groups"),
        guarded(marts.connection, seconds=120),
    ):
        fetch(marts.connection, "select generate_series(1, 1000000000)", {})


def test_what_our_own_code_reads_is_stopped_as_well(marts: Marts, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(connection: psycopg.Connection[TupleRow], rule: Rule, windows: Sequence[Window]) -> list[Any]:
        return [connection.execute("show statement_timeout").fetchone()]

    monkeypatch.setitem(cast(dict[str, Reader], BUILT_IN), "held_hours", slow)

    assert read_windows(marts.connection, shipped("held_hours"), windows=[WINDOW]) == [("15s",)]


def test_a_marts_table_cannot_be_written_either(marts: Marts) -> None:
    with (
        pytest.raises(ReadingError, match="cannot execute DELETE in a read-only transaction"),
        guarded(marts.connection),
    ):
        marts.connection.execute("delete from marts.calls")


def test_a_lost_connection_is_no_fault_of_the_rule(alert_warehouse: DatabaseUrl) -> None:
    with connect(alert_warehouse) as connection, pytest.raises(psycopg.OperationalError), guarded(connection):
        connection.close()
        connection.execute("select 1")


def test_a_percent_sign_is_one(marts: Marts) -> None:
    query = "select 7 % 4 as value, 1 as n from (values ('50 % 할인')) as t (x) where x like '%할인' -- %"
    (found,) = read_windows(marts.connection, asking(query), windows=[WINDOW])

    assert found[()].value == 3
    assert embedded("a % b;").strip() == "a %% b"


def test_shipped_rules_name_marts_and_columns_that_exist(marts: Marts) -> None:
    for loaded in load_rule_set().rules:
        assert [*find_rule_faults(marts.connection, loaded.rule)] == [], loaded.rule.name


def test_a_rule_that_names_what_is_not_there_is_told_by_field(marts: Marts, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("""\
version: 1
rules:
  - name: wrong
    summary: s
    why: w
    metric:
      type: mart
      mart: calls_hourly
      kind: share
      numerator: n_erors
      denominator: n_calls
      where: model = 7
      at: model
    window: {type: rolling, span: 1h}
    condition: {type: threshold, above: 0.1}
    minimum_n: 10
    group_by: [team]
    severity: info
    owner: me
""")
    (loaded,) = load_path(path).rules
    told = [
        str(loaded.problem(field, reason))
        for field, reason in find_rule_faults(marts.connection, loaded.rule)
    ]

    assert [line.removeprefix(f"{path}")[:72] for line in told] == [
        ":17: wrong.group_by: calls_hourly has no column team; it has hour, provi",
        ":13: wrong.metric.at: calls_hourly has no column model of days or moments"[:72],
        ':10: wrong.metric.numerator: column "n_erors" does not exist'[:72],
        ":12: wrong.metric.where: operator does not exist: text = integer"[:72],
    ]
    metric = MartMetric(mart="no_such_mart", kind="sum", numerator="1")
    gone = msgspec.structs.replace(loaded.rule, metric=metric)
    assert [*find_rule_faults(marts.connection, gone)] == [("metric.mart", "there is no mart no_such_mart")]


def test_without_the_role_a_rule_says_what_is_missing(marts: Marts, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.alerts.reading import guard

    monkeypatch.setattr(guard, "_ENTER", guard._ENTER.replace("'lqo_alerts'", "'lqo_nobody'"))

    assert refusal(marts, VALUE).startswith("the role lqo_alerts, which reads the marts alone, is missing")
