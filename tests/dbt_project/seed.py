"""Generated rows for the warehouse, made inside Postgres so that a million calls take seconds.

Everything follows from the day and the row number: the same arguments give the same rows.
"""

from datetime import date

import psycopg
from psycopg.rows import TupleRow

FIRST_DAY = date(2026, 10, 31)
MIDDLE_DAY = date(2026, 11, 1)
LAST_DAY = date(2026, 11, 2)
# A month's end lies between the first two.
DAYS = {FIRST_DAY: 700, MIDDLE_DAY: 1500, LAST_DAY: 800}

RULE_SETS = """
insert into evaluation.evaluator_versions (evaluator, version, kind, status, severity)
values
    ('empty_answer', '1.0.0', 'rule', 'active', 'critical'),
    ('refusal', '1.0.0', 'rule', 'retired', 'warning'),
    ('refusal', '1.1.0', 'rule', 'active', 'warning'),
    ('invalid_json', '1.0.0', 'rule', 'active', 'critical'),
    ('slow', '1.0.0', 'rule', 'active', 'info');
insert into evaluation.rule_sets (hash, current_to) values ('old', now()), ('new', null);
insert into evaluation.rule_set_members (rule_set_version, evaluator_version_id)
select rule_sets.id, versions.id
from evaluation.rule_sets as rule_sets
cross join evaluation.evaluator_versions as versions
where versions.version <> case rule_sets.hash when 'old' then '1.1.0' else '1.0.0' end
    or versions.evaluator <> 'refusal';
"""

CALLS = """
with numbers as (
    select
        n,
        md5(%(day)s::text || '/' || %(salt)s || '/' || n) as digest,
        %(day)s::timestamp at time zone 'UTC'
            + floor(n * 86400e3::double precision / %(calls)s) * interval '1 millisecond' as planned_at
    from generate_series(0, %(calls)s - 1) as n
),

ids as (
    select
        *,
        (
            lpad(to_hex((extract(epoch from planned_at) * 1000)::bigint), 12, '0')
            || '7' || substr(digest, 1, 3) || '8' || substr(digest, 4, 15)
        )::uuid as call_id
    from numbers
)

insert into raw.llm_calls (
    call_id, started_at, source, endpoint, provider, requested_model, served_model, project, key_id, user_id,
    is_streamed, body_state, status, http_status, finish_reason, ttft_ms, latency_ms, purpose, load_id,
    content_hash
)
select
    call_id,
    ingest.uuid7_time(call_id),
    'import',
    'chat/completions',
    case n %% 4 when 0 then 'anthropic' else 'openai' end,
    'model-' || n %% 4,
    case when n %% 23 <> 0 then 'model-' || n %% 4 || '-2026-10-01' end,
    case n %% 3 when 0 then 'chat' when 1 then 'search' end,
    'key-' || n %% 2,
    'user-' || n %% 17,
    n %% 2 = 0,
    case when n %% 13 = 0 then 'masked' else 'full' end,
    case when n %% 23 = 0 then 'error' when n %% 101 = 0 then 'client_gone' else 'ok' end,
    case when n %% 23 = 0 then 500 else 200 end,
    case when n %% 23 <> 0 then 'stop' end,
    case when n %% 2 = 0 then 50 + ('x' || substr(digest, 20, 4))::bit(16)::int / 128.0 end,
    exp(5 + ('x' || substr(digest, 24, 4))::bit(16)::int / 16384.0),
    case when n %% 97 = 0 then 'judge' when n %% 89 = 0 then 'demo' else 'product' end,
    '00000000-0000-0000-0000-000000000000',
    decode(digest, 'hex')
from ids
"""

RESULTS = """
insert into evaluation.rule_results (started_at, call_id, rule_set_version, failed, unscored)
select
    calls.started_at,
    calls.call_id,
    rule_sets.id,
    case
        when h %% 29 = 0 then '{refusal}'::text[]
        when h %% 31 = 0 then '{slow}'::text[]
        when h %% 37 = 0 then '{empty_answer,refusal}'::text[]
        else '{}'::text[]
    end,
    case
        when h %% 3 = 0 then '{"invalid_json": "not_applicable"}'::jsonb
        when h %% 41 = 0 then '{"invalid_json": "error", "slow": "not_evaluable"}'::jsonb
        else '{}'::jsonb
    end
from raw.llm_calls as calls
cross join lateral (
    select get_byte(calls.content_hash, 0) * 256 + get_byte(calls.content_hash, 1) as h
) as hashed
cross join evaluation.rule_sets as rule_sets
where calls.started_at >= %(day)s::timestamp at time zone 'UTC'
    and calls.started_at < (%(day)s + 1)::timestamp at time zone 'UTC'
    and calls.purpose in ('product', 'demo')
    -- Some calls wait, some have only the old set's result, some have both.
    and case when h %% 19 = 0 then false when h %% 5 = 0 then true else rule_sets.hash = 'new' end
    and not (rule_sets.hash = 'new' and h %% 25 = 0)
on conflict do nothing
"""

CHARGES = """
insert into cost.charges (
    started_at, call_id, attempt, provider, model, price_version, input_uncached, cache_read, output_text,
    input_image, output_image, amount_usd, unpriced_reason, reported_usd
)
select
    calls.started_at,
    calls.call_id,
    attempt,
    calls.provider,
    calls.requested_model,
    1 + h %% 2,
    100 + h %% 1000,
    h %% 7,
    10 + h %% 300,
    case when h %% 3 > 0 then h %% 5 end,
    case when h %% 3 > 1 then h %% 11 end,
    case when h %% 43 <> 0 and (attempt = last_attempt or h %% 2 = 0) then round(h / 7e6, 12) end,
    case when h %% 43 = 0 then 'unknown_model' when attempt < last_attempt and h %% 2 = 1 then 'no_usage' end,
    case when h %% 2 = 0 then round(h / 8e6, 12) end
from raw.llm_calls as calls
cross join lateral (
    select get_byte(calls.content_hash, 2) * 256 + get_byte(calls.content_hash, 3) as h
) as hashed
cross join lateral (select case when h %% 13 = 0 then 1 else 0 end as last_attempt) as attempts
cross join generate_series(0, last_attempt) as attempt
where calls.started_at >= %(day)s::timestamp at time zone 'UTC'
    and calls.started_at < (%(day)s + 1)::timestamp at time zone 'UTC'
    and h %% 53 <> 0
on conflict do nothing
"""

QUARANTINE = """
insert into evaluation.quarantine (started_at, call_id, check_name, reason)
select started_at, call_id, unnest(array['time_order', 'latency']), 'seeded'
from raw.llm_calls
where started_at >= %(day)s::timestamp at time zone 'UTC'
    and started_at < (%(day)s + 1)::timestamp at time zone 'UTC'
    and get_byte(content_hash, 4) = 7
on conflict do nothing
"""

# Two budgets, one of them of each user; some calls spent what they were charged, some what was reserved.
RESERVATIONS = """
insert into raw.reservations (started_at, call_id, accounts, reserved_usd, spent_usd, spool_id)
select
    calls.started_at,
    calls.call_id,
    array[
        'bud_month@' || to_char(%(day)s::date, 'YYYY-MM'),
        'bud_day@' || %(day)s || '#' || left(encode(sha256(convert_to(calls.user_id, 'UTF8')), 'hex'), 24)
    ],
    0.02,
    case when get_byte(calls.content_hash, 8) < 40 then 0.02 else coalesce(charges.amount_usd, 0.02) end,
    '00000000-0000-0000-0000-000000000001'
from raw.llm_calls as calls
left join lateral (
    select amount_usd from cost.charges
    where charges.started_at = calls.started_at and charges.call_id = calls.call_id
    order by attempt desc
    limit 1
) as charges on true
where calls.started_at >= %(day)s::timestamp at time zone 'UTC'
    and calls.started_at < (%(day)s + 1)::timestamp at time zone 'UTC'
    and get_byte(calls.content_hash, 7) < 60
on conflict do nothing
"""

FEEDBACK = """
insert into evaluation.feedback (call_id, started_at, name, value, comment, at)
select
    call_id, started_at, 'thumbs', get_byte(content_hash, 6) % 2, '좋아요 👍',
    started_at + interval '1 minute'
from raw.llm_calls
where get_byte(content_hash, 5) < 30
on conflict do nothing
"""


def seed_rule_sets(connection: psycopg.Connection[TupleRow]) -> None:
    """Two rule sets, the newer one current; only `refusal` changed between them. Does nothing twice."""
    with connection.transaction():
        if connection.execute("select count(*) from evaluation.rule_sets").fetchone() == (0,):
            connection.execute(RULE_SETS)


def seed_calls(connection: psycopg.Connection[TupleRow], *, day: date, calls: int, salt: str = "") -> None:
    """`calls` calls spread evenly over `day`, with results, charges and quarantine."""
    arguments = {"day": day, "calls": calls, "salt": salt}
    with connection.transaction():
        connection.execute("select ingest.ensure_month(%(day)s)", arguments)
        for statement in (CALLS, RESULTS, CHARGES, RESERVATIONS, QUARANTINE):
            connection.execute(statement, arguments)


def seed_feedback(connection: psycopg.Connection[TupleRow]) -> None:
    """A thumb up or down on one call in nine."""
    with connection.transaction():
        connection.execute(FEEDBACK)
