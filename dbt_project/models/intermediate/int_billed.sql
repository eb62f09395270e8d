-- One row per provider, day of its own time zone, model and key that an invoice speaks of.

with lines as (

    select * from {{ ref('int_invoice_lines') }}

),

shaped as (

    select
        *,
        case
            when item <> 'tokens' and billed_model is null then '(fees)'
            when is_by_model then billed_model
            else '(all)'
        end as model_group,
        case
            when item <> 'tokens' and key_id is null and is_by_key then '(fees)'
            when is_by_key then key_id
            else '(all)'
        end as key_group
    from lines

),

final as (

    select
        provider,
        day,
        model_group as model,
        key_group as key_id,
        max(time_zone) as time_zone,
        max(tolerance) as tolerance,
        array_agg(distinct invoice_id order by invoice_id) as invoice_ids,
        array_agg(distinct service_tier order by service_tier) filter (where item = 'tokens') as service_tiers,
        count(*) filter (where item = 'tokens') > 0 as has_tokens_lines,
        count(amount_usd) as n_amounts,
        sum(n_requests)::bigint as n_requests,
        sum(input_uncached)::bigint as input_uncached,
        sum(cache_read)::bigint as cache_read,
        sum(cache_write)::bigint as cache_write,
        sum(cache_write_1h)::bigint as cache_write_1h,
        sum(input_audio)::bigint as input_audio,
        sum(input_image)::bigint as input_image,
        sum(output)::bigint as output,
        sum(output_audio)::bigint as output_audio,
        sum(output_image)::bigint as output_image,
        sum(amount_usd) as amount_usd,
        sum(amount_usd) filter (where item <> 'tokens') as fees_usd
    from shaped
    group by 1, 2, 3, 4

)

select * from final
