-- One row per provider attempt behind the calls of the run's windows, with what became of it.

with calls as (

    select * from {{ ref('int_calls__in_window') }}

),

-- What the proxy refused itself has no attempt. A call from elsewhere is its own and only attempt.
listed as (

    select
        calls.started_at,
        calls.call_id,
        places.number - 1 as attempt,
        coalesce(places.item ->> 'provider', calls.provider) as provider,
        coalesce(places.item ->> 'model', calls.model) as model,
        case when places.item ->> 'status' ~ '^[0-9]{1,4}$' then (places.item ->> 'status')::integer end as http_status,
        places.item ->> 'error_type' as error_type
    from calls
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof(calls.attempts) = 'array' then calls.attempts else '[]' end
    ) with ordinality as places (item, number)

),

single as (

    select
        started_at,
        call_id,
        0 as attempt,
        provider,
        model,
        case when status in ('ok', 'client_gone') then coalesce(http_status, 200) else http_status end as http_status,
        case when status = 'interrupted' then status end as error_type
    from calls
    where source <> 'proxy' and (jsonb_typeof(attempts) <> 'array' or attempts = '[]')

),

attempts as (

    select * from listed
    union all
    select * from single

),

final as (

    select
        *,
        case
            when http_status < 400 and error_type in ('upstream_error', 'upstream_timeout') then 'broke_off'
            when http_status = 429 then 'throttled'
            when http_status = 408 or error_type = 'upstream_timeout' then 'timeout'
            when http_status >= 500 then 'server_error'
            when http_status >= 400 then 'refused'
            -- The proxy or the client ended it: that says nothing of the provider.
            when error_type in ('proxy_stopped', 'proxy_error', 'client_gone', 'interrupted') then 'unknown'
            when http_status < 400 then 'ok'
            when error_type = 'upstream_error' then 'unreachable'
            else 'unknown'
        end as outcome
    from attempts

)

select * from final
