"""Reservations: what each call took out of budgets, as the proxy that admitted it counted."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

SQL = r"""
create table raw.reservations (
    started_at timestamptz not null,
    call_id uuid not null,
    accounts text[] not null check (cardinality(accounts) > 0),
    reserved_usd numeric check (reserved_usd >= 0),
    spent_usd numeric check (spent_usd >= 0),
    is_presumed boolean not null default false,
    spool_id uuid not null,
    primary key (started_at, call_id),
    constraint says_an_amount check (coalesce(reserved_usd, spent_usd) is not null)
) partition by range (started_at);
create index on raw.reservations (started_at) where spent_usd is null;
comment on table raw.reservations is
    'One row per call that a budget stood over: what the proxy set aside before it and spent after it';
comment on column raw.reservations.accounts is
    'BUDGET@PERIOD, with #TAG of the subject where the budget binds each one by itself; the same amount in each';
comment on column raw.reservations.reserved_usd is 'Null where the call''s START was lost';
comment on column raw.reservations.spent_usd is 'Null while the call runs: its reserve is held';
comment on column raw.reservations.is_presumed is
    'Spent as reserved, because no END came: so counts the proxy, too. A real END replaces it';
comment on column raw.reservations.spool_id is 'The proxy that counted it; with Redis all count together';

insert into ingest.partitioned_tables values ('raw.reservations', '');
do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on raw.reservations to lqo_reader;
    end if;
end
$$;
"""

DOWN = r"""
drop view if exists staging.stg_raw__reservations, staging.stg_access__budgets, staging.stg_access__api_keys,
    staging.stg_ingest__spools cascade;
delete from ingest.partitioned_tables where parent = 'raw.reservations';
drop table raw.reservations;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
