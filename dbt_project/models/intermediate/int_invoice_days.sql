-- One row per provider and day that an invoice covers, with a line or without, and how its lines tell calls apart.

with invoices as (

    select * from {{ ref('stg_cost__invoices') }}
    where withdrawn_at is null

),

lines as (

    select * from {{ ref('int_invoice_lines') }}

),

covered as (

    select
        names.provider,
        days.at::date as day,
        max(invoices.time_zone) as time_zone,
        max(invoices.tolerance) as tolerance
    from invoices
    cross join lateral unnest(invoices.providers::text[]) as names (provider)
    cross join lateral generate_series(invoices.first_day::timestamp, invoices.last_day::timestamp, '1 day') as days (at)
    group by 1, 2

),

-- A probe of an index per day: a reader who asks for a month must not read all invoices there ever were.
final as (

    select
        covered.provider,
        covered.day,
        covered.time_zone,
        covered.tolerance,
        coalesce(shapes.is_whole, false) as is_whole,
        coalesce(shapes.is_all_keys, true) as is_all_keys
    from covered
    cross join lateral (
        select
            bool_or(not lines.is_by_model and (lines.item = 'tokens' or lines.billed_model is not null)) as is_whole,
            bool_or(not lines.is_by_key) as is_all_keys
        from lines
        where lines.provider = covered.provider and lines.day = covered.day
    ) as shapes

)

select * from final
