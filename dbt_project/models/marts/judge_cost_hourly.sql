with calls as (

    select * from {{ ref('int_judge_calls__in_window') }}

),

final as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        provider,
        model,
        judge,
        evaluator,
        evaluator_version,
        count(*) as n_calls,
        count(*) filter (where status = 'error') as n_error,
        count(amount_usd) as n_priced,
        count(unpriced_reason) as n_unpriced,
        sum(input_uncached)::bigint as input_uncached,
        sum(cache_read)::bigint as cache_read,
        sum(cache_write)::bigint as cache_write,
        sum(output_text)::bigint as output_text,
        sum(reasoning)::bigint as reasoning,
        sum(amount_usd) as amount_usd
    from calls
    group by 1, 2, 3, 4, 5, 6

)

select * from final
