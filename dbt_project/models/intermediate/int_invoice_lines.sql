{{ config(materialized='view') }}

{%- set columns = [
    'invoice_id', 'line', 'provider', 'day', 'item', 'service_tier', 'n_requests', 'input_uncached', 'cache_read',
    'cache_write', 'cache_write_1h', 'input_audio', 'input_image', 'output', 'output_audio', 'output_image', 'amount_usd',
] %}

-- One row per line of an invoice that counts, with our names for its model and key, and how the lines of its
-- provider and day tell calls apart. A view of its own: two models read it for the days asked for, by its index.

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
        {%- for name in columns %}
        lines.{{ name }},
        {%- endfor %}
        {{ billed_model('lines.model') }} as billed_model,
        coalesce(known_keys.key_id, case when invoices.format = 'csv' then lines.invoice_key end) as key_id,
        invoices.time_zone,
        invoices.tolerance
    from lines
    inner join invoices on lines.invoice_id = invoices.invoice_id
    left join known_keys on lines.provider = known_keys.provider and lines.invoice_key = known_keys.invoice_key

),

-- Models are told apart where every line of tokens of that day names one, or there is none; keys only where each is known.
final as (

    select
        *,
        coalesce(bool_and(billed_model is not null) filter (where item = 'tokens') over whole_day, true) as is_by_model,
        coalesce(bool_and(key_id is not null) filter (where item = 'tokens') over whole_day, false) as is_by_key
    from named
    window whole_day as (partition by provider, day)

)

select * from final
