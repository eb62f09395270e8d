"""Invoices can be taken back, and say whose they are; days of `cost_hourly` are found by an index."""

from alembic import op

revision = "0038"
down_revision = "0039"
branch_labels = None
depends_on = None

# An index over the day, since readers ask for days and the primary key is of hours.
SQL = r"""
alter table cost.invoices
    add column providers text[] not null default '{}',
    add column withdrawn_at timestamptz,
    add column withdrawn_by text,
    drop constraint invoices_content_hash_key;
create unique index invoices_content_hash_key on cost.invoices (content_hash) where withdrawn_at is null;
update cost.invoices
set providers = held.providers
from (
    select invoice_id, array_agg(distinct provider) as providers from cost.invoice_lines group by invoice_id
) as held
where invoices.invoice_id = held.invoice_id;
comment on column cost.invoices.providers is 'Who bills in it: these providers'' days are covered from its first to its last';
comment on column cost.invoices.withdrawn_at is 'When it was taken back; its lines count no more and stay';

do $$
begin
    if to_regclass('marts.cost_hourly') is not null then
        create index if not exists cost_hourly_by_day on marts.cost_hourly (((hour at time zone 'UTC')::date));
        analyze marts.cost_hourly;
    end if;
end
$$;
"""

DOWN = r"""
drop view if exists staging.stg_cost__invoices cascade;
drop index if exists marts.cost_hourly_by_day;
delete from cost.invoice_lines
using cost.invoices
where invoice_lines.invoice_id = invoices.invoice_id and withdrawn_at is not null;
delete from cost.invoices where withdrawn_at is not null;
drop index cost.invoices_content_hash_key;
alter table cost.invoices
    drop column providers,
    drop column withdrawn_at,
    drop column withdrawn_by,
    add constraint invoices_content_hash_key unique (content_hash);
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
