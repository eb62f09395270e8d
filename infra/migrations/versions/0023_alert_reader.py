"""The role under which the SQL of alert rules runs: it reads the marts, and nothing else."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SQL = r"""
do $$
begin
    if not exists (select from pg_roles where rolname = 'lqo_alerts') then
        create role lqo_alerts nologin;
        execute format('grant lqo_alerts to %I', current_user);
    end if;
exception
    when insufficient_privilege or duplicate_object or unique_violation then
        raise notice 'role lqo_alerts is not made here; rules with SQL fail until it is (docs/alerting.md)';
end
$$;

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_alerts') then
        grant usage on schema marts to lqo_alerts;
        grant select on all tables in schema marts to lqo_alerts;
        alter default privileges in schema marts grant select on tables to lqo_alerts;
    end if;
end
$$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    # The role is the cluster's, and may serve other databases.
    op.execute(
        r"""
do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_alerts') then
        alter default privileges in schema marts revoke select on tables from lqo_alerts;
        revoke select on all tables in schema marts from lqo_alerts;
        revoke usage on schema marts from lqo_alerts;
    end if;
end
$$;
"""
    )
