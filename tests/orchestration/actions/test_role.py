"""The login in which the API writes: made where it may be, and told of where not."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from psycopg import sql

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.actions.role import ActionRoleError, ensure_actions_role


def test_apis_that_start_at_once_get_the_same_login(
    desk_url: DatabaseUrl, maintenance_url: DatabaseUrl
) -> None:
    admin = maintenance_url.with_database(desk_url.dbname)
    with ThreadPoolExecutor(4) as apis:
        logins = set(apis.map(lambda _: ensure_actions_role(desk_url, admin=admin), range(4)))
    (login,) = logins
    with connect(login) as connection:
        assert connection.execute("select current_user").fetchone() == ("lqo_actions",)
        connection.execute("select count(*) from alerting.silences")


def test_a_login_that_may_make_no_role_is_told_what_to_run(
    desk_url: DatabaseUrl, maintenance_url: DatabaseUrl
) -> None:
    name = f"lqo_test_{uuid4().hex}"
    with connect(maintenance_url, autocommit=True) as admin:
        admin.execute(sql.SQL("create role {} login password 'x'").format(sql.Identifier(name)))
        try:
            plain = replace(desk_url, user=name, password="x")
            with pytest.raises(ActionRoleError, match=f"grant lqo_actions to {name}"):
                ensure_actions_role(plain, admin=plain)
        finally:
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
