"""A warehouse of before: its rules keep their history, its alerts their state; the way back loses nothing."""

from datetime import UTC, datetime, timedelta

import sqlalchemy
from alembic import command

from ingest.database.connect import connect
from ingest.database.migrate import alembic_config, migrate
from ingest.database.url import DatabaseUrl
from orchestration.rules.rule_sets import register_rule_set
from tests.orchestration.rules.fake_rules import Steered, rule
from tests.orchestration.seeding import add_calls, rows
from tests.orchestration.versions.scoring import Connection

BEFORE = "0013"
FIRST, SECOND = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
PERIODS = """
select left(evaluator_version, 5), current_from, current_to from evaluation.version_periods
order by current_from nulls first
"""


def fill(connection: Connection, now: datetime) -> None:
    """Two releases of a rule, and calls of an hour ago."""
    connection.execute(
        "insert into evaluation.evaluator_versions"
        " (evaluator, version, kind, status, current_from, current_to) values"
        " ('refusal', '1.0.0+a', 'rule', 'retired', %(first)s, %(second)s),"
        " ('refusal', '1.1.0+b', 'rule', 'active', %(second)s, null)",
        {"first": FIRST, "second": SECOND},
    )
    connection.execute("insert into evaluation.rule_sets (hash, current_to) values ('a', now()), ('b', null)")
    connection.execute("insert into evaluation.rule_set_members values (1, 1), (2, 2)")
    add_calls(connection, 3, start=now.replace(microsecond=0) - timedelta(hours=1))
    connection.execute("delete from raw.dirty_hours")


def test_rules_of_before_keep_their_history_and_recent_hours_are_modelled(
    empty_database: DatabaseUrl,
) -> None:
    migrate(empty_database, revision=BEFORE)
    now = datetime.now(UTC)
    with connect(empty_database) as connection:
        fill(connection, now)

    migrate(empty_database)

    with connect(empty_database) as connection:
        assert rows(connection, PERIODS) == [("1.0.0", None, SECOND), ("1.1.0", SECOND, None)]
        [(stage, is_old)] = rows(
            connection,
            "select distinct stage, changed_at < now() - interval '30 minutes' from raw.dirty_hours",
        )
        # Old enough that what fires goes on until alerts have their mart.
        assert (stage, is_old) == ("scores", True)
        register_rule_set(connection, [rule("refusal", Steered(), version="2.0.0")])
        assert [version for version, *_ in rows(connection, PERIODS)] == ["1.0.0", "1.1.0", "2.0.0"]


def test_the_way_back_keeps_versions_and_scores(empty_database: DatabaseUrl) -> None:
    migrate(empty_database)
    with connect(empty_database) as connection:
        connection.execute(
            "insert into evaluation.evaluator_versions (evaluator, version, kind, status)"
            " values ('helpfulness', 'recorded', 'external', 'active')"
        )
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connect(empty_database), poolclass=sqlalchemy.NullPool
    )
    with engine.connect() as alembic:
        config = alembic_config()
        config.attributes["connection"] = alembic
        command.downgrade(config, BEFORE)
        alembic.commit()
    with connect(empty_database) as connection:
        assert rows(connection, "select evaluator, kind from evaluation.evaluator_versions") == [
            ("helpfulness", "judge")
        ]
        assert rows(connection, "select count(*) from evaluation.scores") == [(0,)]
    migrate(empty_database)
