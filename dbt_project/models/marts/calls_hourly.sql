with calls as (

    select * from {{ ref('calls') }}
    where {{ in_windows('started_at') }}

),

final as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        provider,
        model,
        project,
        key_id,
        count(*) as n_calls,
        count(*) filter (where status = 'ok') as n_ok,
        count(*) filter (where status = 'error') as n_error,
        count(*) filter (where status = 'interrupted') as n_interrupted,
        count(*) filter (where status = 'client_gone') as n_client_gone,
        count(is_failed) as n_scored,
        count(*) filter (where is_failed) as n_failed,
        count(amount_usd) as n_priced,
        count(unpriced_reason) as n_unpriced,
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
    from calls
    group by 1, 2, 3, 4, 5

)

select * from final
