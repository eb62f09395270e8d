{{ config(materialized='view') }}

with history as (

    select * from {{ ref('stg_cost__charge_history') }}

),

charges as (

    select * from {{ ref('stg_cost__charges') }}

),

calls as (

    select * from {{ ref('stg_raw__llm_calls') }}

),

-- What took a charge's place is the next one in the history, or the current one for the last of them.
chained as (

    select
        *,
        lead(amount_usd) over next_charge as next_usd,
        lead(price_version) over next_charge as next_version,
        lead(superseded_at) over next_charge is null as is_last
    from history
    window next_charge as (
        partition by started_at, call_id, attempt
        order by superseded_at
    )

),

restated as (

    select
        (chained.started_at at time zone 'UTC')::date as day,
        (chained.superseded_at at time zone 'UTC')::date as restated_on,
        chained.provider,
        chained.model,
        coalesce(calls.project, '(none)') as project,
        calls.purpose,
        chained.reason,
        chained.amount_usd as old_usd,
        case when chained.is_last then charges.amount_usd else chained.next_usd end as new_usd,
        case when chained.is_last then charges.price_version else chained.next_version end as price_version
    from chained
    left join charges
        on chained.started_at = charges.started_at
        and chained.call_id = charges.call_id
        and chained.attempt = charges.attempt
        and chained.is_last
    left join calls
        on chained.started_at = calls.started_at
        and chained.call_id = calls.call_id

),

final as (

    select
        day,
        restated_on,
        provider,
        model,
        project,
        purpose,
        reason,
        price_version,
        count(*)::bigint as n_charges,
        (count(*) filter (where old_usd is null and new_usd is not null))::bigint as n_newly_priced,
        (count(*) filter (where new_usd is null))::bigint as n_unpriced,
        coalesce(sum(old_usd), 0) as old_usd,
        coalesce(sum(new_usd), 0) as new_usd,
        coalesce(sum(new_usd), 0) - coalesce(sum(old_usd), 0) as delta_usd
    from restated
    group by 1, 2, 3, 4, 5, 6, 7, 8

)

select * from final
