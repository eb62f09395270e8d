"""A warehouse whose alerts were silenced before: its silences stay, also on the way back."""

import sqlalchemy
from alembic import command

from ingest.database.connect import connect
from ingest.database.migrate import alembic_config, migrate
from ingest.database.url import DatabaseUrl
from tests.orchestration.actions.conftest import KIM, RULES, Alerts, later

BEFORE = "0025"
SILENCE = """
insert into alerting.silences (rule, ends_at, reason, created_by)
values ('failing_share', now() + interval '1 hour', 'known', 'ops')
"""


def test_what_was_silent_stays_silent_there_and_back(empty_database: DatabaseUrl) -> None:
    from orchestration.alerts.actions.mutes import mute

    migrate(empty_database, revision=BEFORE)
    with connect(empty_database) as connection:
        connection.execute(SILENCE)
        Alerts(connection).event()
    migrate(empty_database)
    with connect(empty_database) as connection:
        alerts = Alerts(connection)
        assert alerts.send() == []
        mute(connection, "judge_grades", ends_at=later(hours=1), reason="x", by=KIM, rules=RULES)
        alerts.event(rule="judge_grades")
    engine = sqlalchemy.create_engine(empty_database.sqlalchemy("psycopg"))
    config = alembic_config()
    with engine.connect() as back:
        config.attributes["connection"] = back
        command.downgrade(config, BEFORE)
        back.commit()
    engine.dispose()
    with connect(empty_database) as connection:
        alerts = Alerts(connection)
        assert alerts.send() == ["firing"]
        assert alerts.send(minutes=61) == ["firing"]
