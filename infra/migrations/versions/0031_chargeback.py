"""Chargeback: what each project was told that a month cost. Stated once, never changed."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

SQL = r"""
create table cost.chargebacks (
    month date primary key check (month = date_trunc('month', month)),
    closed_at timestamptz not null default now(),
    closed_by text not null,
    price_version bigint not null,
    n_lines integer not null,
    amount_usd numeric not null,
    content_hash bytea not null
);
comment on table cost.chargebacks is 'One row per month whose books are closed';
comment on column cost.chargebacks.content_hash is
    'SHA-256 of the hash of the month closed before and of the sorted lines: a line changed later shows';
comment on column cost.chargebacks.price_version is 'The version of the price book at the close';

create table cost.chargeback_lines (
    month date not null references cost.chargebacks,
    of_month date not null,
    project text not null,
    key_id text not null,
    provider text not null,
    model text not null,
    purpose text not null,
    line text not null,
    n_attempts bigint not null,
    n_calls bigint not null,
    n_unpriced bigint not null,
    amount_usd numeric not null,
    primary key (month, of_month, project, key_id, provider, model, purpose, line),
    constraint nothing_is_stated_in_advance check (of_month <= month)
);
comment on column cost.chargeback_lines.of_month is
    'The month in which the calls were made; before `month`: an adjustment, as the difference to all stated before';

create function cost.refuse_change() returns trigger language plpgsql as $f$
begin
    raise exception 'a closed month is never changed; what changed is an adjustment of the next month';
end
$f$;
create trigger closed_months_stay before update or delete or truncate on cost.chargebacks
    for each statement execute function cost.refuse_change();
create trigger closed_months_stay before update or delete or truncate on cost.chargeback_lines
    for each statement execute function cost.refuse_change();

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on cost.chargebacks, cost.chargeback_lines to lqo_reader;
    end if;
end
$$;
"""

DOWN = r"""
drop view if exists staging.stg_cost__chargebacks, staging.stg_cost__chargeback_lines cascade;
drop table cost.chargeback_lines;
drop table cost.chargebacks;
drop function cost.refuse_change();
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
