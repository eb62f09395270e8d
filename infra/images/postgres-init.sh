#!/bin/sh
# Once, as the database is made: the login of Grafana and Metabase, with the password of its secret.
# `lqo bi role` grants it the marts, and nothing else.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$(cat /run/secrets/bi_password)" \
	--username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
create role lqo_bi login password :'password';
alter role lqo_bi set default_transaction_read_only = on;
alter role lqo_bi set statement_timeout = '30s';
alter role lqo_bi set idle_in_transaction_session_timeout = '60s';
alter role lqo_bi set timezone = 'UTC';
SQL
