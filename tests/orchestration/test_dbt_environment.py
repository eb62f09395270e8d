"""What dbt is told of the warehouse: everything the URL says that its connection needs."""

import re

from ingest.database.url import parse_url
from orchestration.dbt import PROJECT_DIR, dbt_environment


def test_dbt_connects_as_strictly_as_the_url_asks() -> None:
    url = parse_url("postgresql://me:p%40ss@db:5433/stock?sslmode=verify-full&sslrootcert=/etc/ca.pem")

    environment = dbt_environment(url)

    assert environment["LQO_DBT_SSLMODE"] == "verify-full"
    assert environment["PGSSLROOTCERT"] == "/etc/ca.pem"
    assert (environment["LQO_DBT_DBNAME"], environment["LQO_DBT_PASSWORD"]) == ("stock", "p@ss")


def test_a_url_without_tls_leaves_it_to_the_environment() -> None:
    names = dbt_environment(parse_url("postgresql://me@db/stock"))

    assert not [name for name in names if "SSL" in name]


def test_a_url_without_a_database_means_the_users_own_as_libpq_reads_it() -> None:
    assert dbt_environment(parse_url("postgresql://me@db"))["LQO_DBT_DBNAME"] == "me"


def test_the_profile_reads_what_dbt_is_told() -> None:
    profile = (PROJECT_DIR / "profiles.yml").read_text()
    told = dbt_environment(parse_url("postgresql://me:secret@db/stock?sslmode=require"))

    assert set(re.findall(r"LQO_DBT_\w+", profile)) == {n for n in told if n.startswith("LQO_DBT_")}
