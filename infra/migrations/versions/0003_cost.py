"""Cost: the bitemporal price book and one current charge per provider attempt, with its history."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SQL = r"""
create schema cost;

create sequence cost.price_versions;
create table cost.prices (
    id bigint generated always as identity primary key,
    provider text,
    model text not null,
    match text not null default 'exact' check (match in ('exact', 'prefix')),
    bucket text not null,
    usd_per_million numeric not null check (usd_per_million >= 0),
    min_input_tokens bigint not null default 0,
    service_tier text not null default 'standard',
    currency text not null default 'USD',
    valid_from timestamptz not null,
    valid_to timestamptz,
    recorded_at timestamptz not null default now(),
    superseded_at timestamptz,
    source text not null,
    price_version bigint not null,
    constraint validity_is_a_range check (valid_to is null or valid_to > valid_from)
);
create index prices_by_model on cost.prices (model, bucket) where superseded_at is null;
comment on column cost.prices.price_version is
    'From cost.price_versions: all rows of one import share it; a later version was recorded later';

create table cost.charges (
    started_at timestamptz not null,
    call_id uuid not null,
    attempt smallint not null,
    provider text not null,
    model text not null,
    price_version bigint,
    price_row_ids bigint[] not null default '{}',
    input_uncached bigint,
    cache_read bigint,
    cache_write bigint,
    cache_write_1h bigint,
    input_audio bigint,
    output_text bigint,
    reasoning bigint,
    output_audio bigint,
    amount_usd numeric,
    unpriced_reason text,
    reported_usd numeric,
    is_provisional boolean not null default false,
    charged_at timestamptz not null default now(),
    primary key (started_at, call_id, attempt),
    constraint priced_or_says_why check ((amount_usd is null) = (unpriced_reason is not null))
) partition by range (started_at);
create index on cost.charges (started_at, call_id) where is_provisional or unpriced_reason is not null;
comment on column cost.charges.is_provisional is
    'Made from an interrupted call, which a real END may replace: then it is charged again';
comment on column cost.charges.price_version is
    'Priced: the newest version among the price rows used. Unpriced: the newest version of the book that was asked';

create table cost.charge_history (
    like cost.charges,
    superseded_at timestamptz not null default now(),
    reason text not null default 'repriced',
    primary key (started_at, call_id, attempt, superseded_at)
) partition by range (started_at);

insert into ingest.partitioned_tables values ('cost.charges', ''), ('cost.charge_history', '');
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop schema cost cascade")
    op.execute("delete from ingest.partitioned_tables where parent like 'cost.%'")
