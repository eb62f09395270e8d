"""Image tokens are counted as kinds of their own; charges of before hold null there, which is none counted."""

from alembic import op

revision = "0040"
down_revision = "0037"
branch_labels = None
depends_on = None

# Null without a default: no row is rewritten, however many there are.
SQL = r"""
alter table cost.charges add column input_image bigint, add column output_image bigint;
alter table cost.charge_history add column input_image bigint, add column output_image bigint;
alter table cost.invoice_lines
    add column input_image bigint check (input_image >= 0),
    add column output_image bigint check (output_image >= 0);
comment on column cost.charges.input_image is
    'Image tokens that the provider itemises; null without a price and in charges of before there was the column';

drop function cost.charges_as_known(timestamptz);
create function cost.charges_as_known(known_at timestamptz)
returns table (
    started_at timestamptz, call_id uuid, attempt smallint, provider text, model text, price_version bigint,
    price_row_ids bigint[], input_uncached bigint, cache_read bigint, cache_write bigint, cache_write_1h bigint,
    input_audio bigint, input_image bigint, output_text bigint, reasoning bigint, output_audio bigint,
    output_image bigint, amount_usd numeric, unpriced_reason text, reported_usd numeric, is_provisional boolean,
    charged_at timestamptz
)
language sql stable as $$
    select started_at, call_id, attempt, provider, model, price_version, price_row_ids, input_uncached, cache_read,
        cache_write, cache_write_1h, input_audio, input_image, output_text, reasoning, output_audio, output_image,
        amount_usd, unpriced_reason, reported_usd, is_provisional, charged_at
    from cost.charges
    where charged_at <= known_at
    union all
    select started_at, call_id, attempt, provider, model, price_version, price_row_ids, input_uncached, cache_read,
        cache_write, cache_write_1h, input_audio, input_image, output_text, reasoning, output_audio, output_image,
        amount_usd, unpriced_reason, reported_usd, is_provisional, charged_at
    from cost.charge_history
    where charged_at <= known_at and superseded_at > known_at
$$;
comment on function cost.charges_as_known(timestamptz) is
    'The charges that stood at that time, one row per attempt: filter on started_at, and only its months are read';
"""

# Charges that count image tokens go with the columns: their sums would say less than their amounts.
DOWN = r"""
drop view if exists staging.stg_cost__charges, staging.stg_cost__charge_history, staging.stg_cost__invoice_lines cascade;
drop function cost.charges_as_known(timestamptz);
alter table cost.charges drop column input_image, drop column output_image;
alter table cost.charge_history drop column input_image, drop column output_image;
alter table cost.invoice_lines drop column input_image, drop column output_image;
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
"""


# The marts' columns come by migration, since dbt refuses to add them; their views are made anew with a version.
MARTS = ("calls", "calls_hourly", "cost_hourly", "cost_daily")
MARTS_SQL = "alter table if exists marts.{} add column input_image bigint, add column output_image bigint"
MARTS_DOWN = (
    "alter table if exists marts.{} drop column input_image cascade, drop column output_image cascade"
)


def upgrade() -> None:
    op.execute(SQL)
    for name in MARTS:
        op.execute(MARTS_SQL.format(name))


def downgrade() -> None:
    for name in MARTS:
        op.execute(MARTS_DOWN.format(name))
    op.execute(DOWN)
