-- One call
-- What is known of the call in the field above? A call's id holds its time, so this reads one row.
with wanted as (

    select case
        when :call_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then lower(:call_id)
    end as call_id

),

keys as (

    select
        call_id::uuid as call_id,
        to_timestamp(
            ('x0000' || substr(replace(call_id, '-', ''), 1, 12))::bit(64)::bigint / 1000.0
        ) as started_at
    from wanted

)

select facts.key as fact, facts.value
from keys
inner join marts.calls using (started_at, call_id)
cross join lateral jsonb_each_text(to_jsonb(calls)) as facts (key, value)
where facts.value is not null
