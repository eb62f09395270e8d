-- One row per provider and day that an invoice covers, with a line or without, and how its lines tell calls apart.

with invoices as (

    select * from {{ ref('stg_cost__invoices') }}
    where withdrawn_at is null

),

lines as (

    select * from {{ ref('int_invoice_lines') }}

),

-- Read once more, and not from the same CTE: Postgres keeps one that is read twice, all days of it.
current_lines as (

    select * from {{ ref('stg_cost__invoice_lines') }}
    where superseded_by is null

),

covered as (

    select
        names.provider,
        days.at::date as day,
        (array_agg(invoices.time_zone order by invoices.invoice_id desc))[1] as time_zone,
        max(invoices.tolerance) as tolerance
    from invoices
    cross join lateral unnest(invoices.providers::text[]) as names (provider)
    cross join lateral generate_series(invoices.first_day::timestamp, invoices.last_day::timestamp, '1 day') as days (at)
    -- One whose every line was stated anew covers nothing any more.
    where exists (
        select from current_lines
        where current_lines.invoice_id = invoices.invoice_id
            and current_lines.provider = names.provider
            and current_lines.day between invoices.first_day and invoices.last_day
    )
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
