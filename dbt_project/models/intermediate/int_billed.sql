-- One row per provider, day of its own time zone, model and key that an invoice speaks of. Models are told apart
-- only where every line of tokens of that day names one, and keys only where each is known to be ours.

with lines as (

    select * from {{ ref('stg_cost__invoice_lines') }}
    where superseded_by is null

),

invoices as (

    select * from {{ ref('stg_cost__invoices') }}

),

known_keys as (

    select * from {{ ref('stg_cost__invoice_keys') }}

),

-- Our own form may name our keys themselves.
named as (

    select
        lines.*,
        {{ billed_model('lines.model') }} as billed_model,
        coalesce(known_keys.key_id, case when invoices.format = 'csv' then lines.invoice_key end) as key_id,
        invoices.time_zone,
        invoices.tolerance
    from lines
    inner join invoices using (invoice_id)
    left join known_keys using (provider, invoice_key)

),

shapes as (

    select
        provider,
        day,
        bool_and(billed_model is not null) filter (where item = 'tokens') as is_by_model,
        bool_and(key_id is not null) filter (where item = 'tokens') as is_by_key
    from named
    group by 1, 2

),

shaped as (

    select
        named.*,
        case
            when named.item <> 'tokens' and named.billed_model is null then '(fees)'
            when shapes.is_by_model then named.billed_model
            else '(all)'
        end as model_group,
        case
            when named.item <> 'tokens' and named.key_id is null and shapes.is_by_key then '(fees)'
            when shapes.is_by_key then named.key_id
            else '(all)'
        end as key_group
    from named
    inner join shapes using (provider, day)

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
        sum(output)::bigint as output,
        sum(output_audio)::bigint as output_audio,
        sum(amount_usd) as amount_usd,
        sum(amount_usd) filter (where item <> 'tokens') as fees_usd
    from shaped
    group by 1, 2, 3, 4

)

select * from final
