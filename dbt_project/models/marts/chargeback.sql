{{ config(materialized='view') }}

with lines as (

    select * from {{ ref('stg_cost__chargeback_lines') }}

),

months as (

    select * from {{ ref('stg_cost__chargebacks') }}

),

final as (

    select
        lines.month,
        lines.of_month,
        case when lines.of_month = lines.month then 'charge' else 'adjustment' end as kind,
        lines.project,
        lines.key_id,
        lines.provider,
        lines.model,
        lines.purpose,
        lines.line,
        lines.n_attempts,
        lines.n_calls,
        lines.n_unpriced,
        lines.amount_usd,
        months.closed_at,
        months.closed_by
    from lines
    inner join months using (month)

)

select * from final
