"""Budgets tell what they hold for calls without an end; the books know which months changed since they closed."""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

SQL = r"""
create table cost.changed_months (
    month date primary key check (month = date_trunc('month', month)),
    n_changes bigint not null default 1
);
comment on table cost.changed_months is
    'Months of which marts.cost_hourly was written since the books were closed last: the next close compares them';
comment on column cost.changed_months.n_changes is
    'Counted, so that every writer takes the row: a close that takes it, too, has seen what they wrote';

alter table cost.chargebacks add column watched_by text;
comment on column cost.chargebacks.watched_by is
    'The triggers that have marked changed months since this close; null: none did, and the next compares all months';

create index on cost.chargeback_lines (of_month);

create function cost.mark_changed_months() returns trigger language plpgsql as $f$
begin
    if tg_op = 'TRUNCATE' then
        insert into cost.changed_months as known (month)
        select month from cost.chargebacks order by month
        on conflict (month) do update set n_changes = known.n_changes + 1;
    elsif tg_op = 'UPDATE' then
        insert into cost.changed_months as known (month)
        select distinct date_trunc('month', hour at time zone 'UTC')::date as month
        from (select hour from changed union select hour from gone) as hours
        order by month
        on conflict (month) do update set n_changes = known.n_changes + 1;
    else
        insert into cost.changed_months as known (month)
        select distinct date_trunc('month', hour at time zone 'UTC')::date as month from changed order by month
        on conflict (month) do update set n_changes = known.n_changes + 1;
    end if;
    return null;
end
$f$;

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on cost.changed_months to lqo_reader;
    end if;
end
$$;
"""

# Attempts before an answer are in the ledger from now on, and no proxied one was charged before: the column that
# told of them gets the part of the gap that calls without an end make, once their hours are modelled again.
MART = r"""
do $$
begin
    if to_regclass('marts.budget_spending_hourly') is not null then
        update marts.budget_spending_hourly
        set differing_usd = differing_usd + failed_attempts_usd, failed_attempts_usd = 0
        where failed_attempts_usd <> 0;
        alter table marts.budget_spending_hourly rename column failed_attempts_usd to without_end_usd;
        insert into raw.dirty_hours (hour, stage)
        select distinct date_trunc('hour', started_at, 'UTC'), 'charges' from raw.reservations where is_presumed;
    end if;
end
$$;
"""

MART_DOWN = r"""
do $$
begin
    if to_regclass('marts.budget_spending_hourly') is not null then
        update marts.budget_spending_hourly
        set unpriced_usd = unpriced_usd + without_end_usd, without_end_usd = 0
        where without_end_usd <> 0;
        alter table marts.budget_spending_hourly rename column without_end_usd to failed_attempts_usd;
    end if;
end
$$;
"""

DOWN = r"""
drop function cost.mark_changed_months() cascade;
drop index cost.chargeback_lines_of_month_idx;
drop view if exists staging.stg_cost__chargebacks cascade;
alter table cost.chargebacks drop column watched_by;
drop table cost.changed_months;
"""


def upgrade() -> None:
    op.execute(SQL)
    op.execute(MART)


def downgrade() -> None:
    op.execute(MART_DOWN)
    op.execute(DOWN)
