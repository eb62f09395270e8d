"""SQL that writes charges: a chunk is staged, what it supersedes is kept, what vanished goes."""

from typing import LiteralString

MAKE_STAGE: LiteralString = """
create temp table if not exists charged_attempts (
    started_at timestamptz not null,
    call_id uuid not null,
    attempt smallint not null,
    provider text not null,
    model text not null,
    price_version bigint,
    price_row_ids bigint[] not null,
    input_uncached bigint,
    cache_read bigint,
    cache_write bigint,
    cache_write_1h bigint,
    input_audio bigint,
    input_image bigint,
    output_text bigint,
    reasoning bigint,
    output_audio bigint,
    output_image bigint,
    amount_usd numeric,
    unpriced_reason text,
    reported_usd numeric,
    is_provisional boolean not null
) on commit delete rows
"""

# Without statistics the plan for what has vanished may compare all charges pairwise: 12.6 s instead of 0.2 s.
ANALYZE_STAGE: LiteralString = "analyze charged_attempts (started_at, call_id, attempt)"

_KEYS: LiteralString = "started_at, call_id, attempt"
_VALUES: LiteralString = """
    provider, model, price_row_ids, input_uncached, cache_read, cache_write, cache_write_1h, input_audio,
    output_text, reasoning, output_audio, amount_usd, unpriced_reason, reported_usd, input_image, output_image
"""


def _of(alias: LiteralString) -> LiteralString:
    names: list[LiteralString] = [name.strip() for name in _VALUES.split(",")]
    return ", ".join([f"{alias}.{name}" for name in names])


def _said_by(alias: LiteralString) -> LiteralString:
    """What makes two charges the same: image tokens that nobody counted, as in older charges, are none."""
    others = _of(alias).removesuffix(f", {alias}.input_image, {alias}.output_image")
    return f"{others}, coalesce({alias}.input_image, 0), coalesce({alias}.output_image, 0)"


# A charge that only knows a newer version of the book, or an END with the same tokens, is not restated; an
# attempt that the call no longer has differs from its missing row.
KEEP_SUPERSEDED: LiteralString = f"""
insert into cost.charge_history (
    {_KEYS}, {_VALUES}, price_version, is_provisional, charged_at, superseded_at, reason
)
select
    old.started_at, old.call_id, old.attempt, {_of("old")}, old.price_version, old.is_provisional,
    old.charged_at, %(at)s,
    case
        when old.is_provisional then 'call_replaced'
        when old.unpriced_reason is not null then 'priced_later'
        else 'repriced'
    end
from (select distinct started_at, call_id from charged_attempts) as calls
inner join cost.charges as old
    on old.started_at = calls.started_at
    and old.call_id = calls.call_id
    and old.started_at >= %(start)s
    and old.started_at < %(end)s
left join charged_attempts as new
    on new.started_at = old.started_at
    and new.call_id = old.call_id
    and new.attempt = old.attempt
where ({_said_by("old")}) is distinct from ({_said_by("new")})
"""

# All attempts of a staged call are staged, numbered from 0: what lies beyond its last one is gone.
DROP_VANISHED: LiteralString = """
delete from cost.charges as old
using (
    select started_at, call_id, max(attempt) as last_attempt
    from charged_attempts
    group by started_at, call_id
) as calls
where old.started_at = calls.started_at
  and old.call_id = calls.call_id
  and old.attempt > calls.last_attempt
  and old.started_at >= %(start)s
  and old.started_at < %(end)s
"""

# `charged_at` is when the figures of a row became what they are, by the clock once the writer has its lock,
# and to the microsecond when the ones before ended: with the history it tells what stood at any time.
WRITE_CHARGES: LiteralString = f"""
with written as (
    insert into cost.charges ({_KEYS}, {_VALUES}, price_version, is_provisional, charged_at)
    select {_KEYS}, {_VALUES}, price_version, is_provisional, %(at)s
    from charged_attempts
    order by started_at, call_id, attempt
    on conflict (started_at, call_id, attempt) do update
    set ({_VALUES}, price_version, is_provisional, charged_at)
        = (
            {_of("excluded")}, excluded.price_version, excluded.is_provisional,
            case
                when ({_said_by("charges")}) is distinct from ({_said_by("excluded")})
                    then excluded.charged_at
                else charges.charged_at
            end
        )
    where ({_said_by("charges")}) is distinct from ({_said_by("excluded")})
       or charges.is_provisional <> excluded.is_provisional
       or (excluded.unpriced_reason is not null and charges.price_version <> excluded.price_version)
    returning started_at, unpriced_reason
)
select date_trunc('hour', started_at, 'UTC'), unpriced_reason, count(*) from written group by 1, 2
"""
