-- One row per charged call in the run's windows: its provider attempts added up.

with charges as (

    select * from {{ ref('stg_cost__charges') }}
    where {{ in_windows('started_at') }}

),

ordered as (

    select
        *,
        -- Only a failed attempt is followed by another: the last one is the one that answered.
        attempt = max(attempt) over (partition by started_at, call_id) as is_last
    from charges

),

final as (

    select
        started_at,
        call_id,
        count(*)::integer as n_attempts,
        (count(*) filter (where amount_usd is null))::integer as n_attempts_unpriced,
        max(price_version) as price_version,
        sum(input_uncached)::bigint as input_uncached,
        sum(cache_read)::bigint as cache_read,
        sum(cache_write)::bigint as cache_write,
        sum(cache_write_1h)::bigint as cache_write_1h,
        sum(input_audio)::bigint as input_audio,
        sum(input_image)::bigint as input_image,
        sum(output_text)::bigint as output_text,
        sum(reasoning)::bigint as reasoning,
        sum(output_audio)::bigint as output_audio,
        sum(output_image)::bigint as output_image,
        -- A refused attempt (429, 5xx) has no usage and no price; it must not hide what the answer cost. One that
        -- used tokens nobody can price is not free: then the whole is unknown.
        case
            when bool_and(amount_usd is not null or (unpriced_reason = 'no_usage' and not is_last)) then sum(amount_usd)
        end as amount_usd,
        coalesce(
            max(unpriced_reason) filter (where is_last),
            max(unpriced_reason) filter (where unpriced_reason <> 'no_usage')
        ) as unpriced_reason,
        coalesce(sum(amount_usd) filter (where not is_last), 0) as earlier_attempts_usd,
        -- Whatever has an amount, also where the whole is unknown: what the call stands for in cost.charges.
        coalesce(sum(amount_usd), 0) as charged_usd,
        sum(reported_usd) as reported_usd
    from ordered
    group by started_at, call_id

)

select * from final
