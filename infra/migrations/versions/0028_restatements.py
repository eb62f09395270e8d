"""What stood when: charges as they were known at any time, the sums of closed days, calls with a reported cost."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SQL = r"""
create table cost.day_sums (
    day date not null,
    seen_at timestamptz not null,
    n_charges bigint not null,
    n_unpriced bigint not null,
    n_tokens numeric not null,
    amount_usd numeric not null,
    primary key (day, seen_at)
);
comment on table cost.day_sums is
    'What the charges of a closed UTC day added up to when it was looked at; a row a change, rows are only added';
create index charges_reported on cost.charges (started_at) where reported_usd is not null;

create function cost.charges_as_known(known_at timestamptz)
returns table (
    started_at timestamptz, call_id uuid, attempt smallint, provider text, model text, price_version bigint,
    price_row_ids bigint[], input_uncached bigint, cache_read bigint, cache_write bigint, cache_write_1h bigint,
    input_audio bigint, output_text bigint, reasoning bigint, output_audio bigint, amount_usd numeric,
    unpriced_reason text, reported_usd numeric, is_provisional boolean, charged_at timestamptz
)
language sql stable as $$
    select started_at, call_id, attempt, provider, model, price_version, price_row_ids, input_uncached, cache_read,
        cache_write, cache_write_1h, input_audio, output_text, reasoning, output_audio, amount_usd,
        unpriced_reason, reported_usd, is_provisional, charged_at
    from cost.charges
    where charged_at <= known_at
    union all
    select started_at, call_id, attempt, provider, model, price_version, price_row_ids, input_uncached, cache_read,
        cache_write, cache_write_1h, input_audio, output_text, reasoning, output_audio, amount_usd,
        unpriced_reason, reported_usd, is_provisional, charged_at
    from cost.charge_history
    where charged_at <= known_at and superseded_at > known_at
$$;
comment on function cost.charges_as_known(timestamptz) is
    'The charges that stood at that time, one row per attempt: filter on started_at, and only its months are read';

do $grants$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on cost.day_sums to lqo_reader;
    end if;
end
$grants$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop function cost.charges_as_known(timestamptz)")
    op.execute("drop index cost.charges_reported")
    op.execute("drop table cost.day_sums")
