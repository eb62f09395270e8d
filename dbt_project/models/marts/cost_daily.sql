with hours as (

    select * from {{ ref('calls_hourly') }}
    where {{ on_window_days('hour') }}

),

final as (

    select
        (hour at time zone 'UTC')::date as day,
        provider,
        model,
        project,
        key_id,
        sum(n_calls)::bigint as n_calls,
        sum(n_priced)::bigint as n_priced,
        sum(n_unpriced)::bigint as n_unpriced,
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
        sum(amount_usd) as amount_usd,
        sum(failed_attempts_usd) as failed_attempts_usd,
        sum(reported_usd) as reported_usd
    from hours
    group by 1, 2, 3, 4, 5

)

select * from final
