-- One row per provider and day that an invoice covers, with a line or without, and how its lines tell calls apart.

with invoices as (

    select * from {{ ref('stg_cost__invoices') }}

),

lines as (

    select * from {{ ref('stg_cost__invoice_lines') }}
    where superseded_by is null

),

providers as (

    select distinct
        lines.invoice_id,
        lines.provider
    from lines

),

covered as (

    select
        providers.provider,
        days.at::date as day,
        max(invoices.time_zone) as time_zone,
        max(invoices.tolerance) as tolerance
    from providers
    inner join invoices using (invoice_id)
    cross join lateral generate_series(invoices.first_day::timestamp, invoices.last_day::timestamp, '1 day') as days (at)
    group by 1, 2

),

billed as (

    select
        provider,
        day,
        bool_or(model = '(all)') as is_whole,
        bool_or(key_id = '(all)') as is_all_keys
    from {{ ref('int_billed') }}
    group by 1, 2

),

final as (

    select
        covered.provider,
        covered.day,
        covered.time_zone,
        covered.tolerance,
        coalesce(billed.is_whole, false) as is_whole,
        coalesce(billed.is_all_keys, true) as is_all_keys
    from covered
    left join billed using (provider, day)

)

select * from final
