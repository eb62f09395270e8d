"""Invoices of providers: what was imported, line by line, and whose keys are ours."""

from alembic import op

revision = "0030"
down_revision = "0028"
branch_labels = None
depends_on = None

SQL = r"""
create table cost.invoices (
    invoice_id bigint generated always as identity primary key,
    content_hash bytea not null unique,
    source text not null,
    format text not null,
    account text not null default '',
    time_zone text not null default 'UTC',
    tolerance numeric not null default 0.02 check (tolerance >= 0 and tolerance < 1),
    n_lines integer not null check (n_lines > 0),
    first_day date not null,
    last_day date not null,
    amount_usd numeric,
    imported_at timestamptz not null default now(),
    constraint days_are_a_span check (last_day >= first_day)
);
comment on table cost.invoices is
    'One row per invoice, usage report or billing export that was imported; the same lines twice are one row';
comment on column cost.invoices.content_hash is 'SHA-256 of the account, the time zone and the sorted lines';
comment on column cost.invoices.time_zone is 'Whose days the lines are of';
comment on column cost.invoices.tolerance is 'The share of a billed amount that may stay unexplained';

create table cost.invoice_lines (
    invoice_id bigint not null references cost.invoices,
    line integer not null,
    provider text not null,
    day date not null,
    kind text not null check (kind in ('usage', 'cost', 'both')),
    item text not null default 'tokens',
    model text,
    key_id text,
    project text,
    service_tier text not null default 'standard',
    n_requests bigint check (n_requests >= 0),
    input_uncached bigint check (input_uncached >= 0),
    cache_read bigint check (cache_read >= 0),
    cache_write bigint check (cache_write >= 0),
    cache_write_1h bigint check (cache_write_1h >= 0),
    input_audio bigint check (input_audio >= 0),
    output bigint check (output >= 0),
    output_audio bigint check (output_audio >= 0),
    amount_usd numeric,
    superseded_by bigint references cost.invoices,
    primary key (invoice_id, line),
    constraint a_line_says_something check ((kind = 'usage') = (amount_usd is null))
);
create index invoice_lines_by_day on cost.invoice_lines (provider, day) where superseded_by is null;
comment on column cost.invoice_lines.item is 'tokens, or the name of a fee or credit';
comment on column cost.invoice_lines.superseded_by is
    'The later invoice of the same account that states this provider and day anew';

create table cost.invoice_keys (
    provider text not null,
    invoice_key text not null,
    key_id text not null,
    primary key (provider, invoice_key)
);
comment on table cost.invoice_keys is 'Which of our keys stands behind a key as a provider''s invoices name it';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on cost.invoices, cost.invoice_lines, cost.invoice_keys to lqo_reader;
    end if;
end
$$;
"""

DOWN = r"""
drop view if exists staging.stg_cost__invoices, staging.stg_cost__invoice_lines, staging.stg_cost__invoice_keys cascade;
drop table cost.invoice_keys;
drop table cost.invoice_lines;
drop table cost.invoices;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
