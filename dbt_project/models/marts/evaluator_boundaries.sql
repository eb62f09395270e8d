{{ config(materialized='view') }}

-- Where a chart draws a line: an evaluator judges differently from here on, whatever the product does.

with periods as (

    select * from {{ ref('stg_evaluation__version_periods') }}

),

bridges as (

    select * from {{ ref('stg_evaluation__bridges') }}

),

-- Each period with what was current before and comes after it.
neighbours as (

    select
        *,
        lag(evaluator_version_id) over by_time as from_version_id,
        lag(evaluator_version) over by_time as from_version,
        lead(current_from) over by_time as next_from
    from periods
    window by_time as (partition by evaluator order by current_from nulls first)

),

beginnings as (

    select
        evaluator,
        from_version_id,
        from_version,
        evaluator_version_id as to_version_id,
        evaluator_version as to_version,
        current_from as at,
        cause
    from neighbours
    where current_from is not null

),

-- What was retired and not replaced at that moment.
endings as (

    select
        evaluator,
        evaluator_version_id as from_version_id,
        evaluator_version as from_version,
        null::integer as to_version_id,
        null::text as to_version,
        current_to as at,
        'retired' as cause
    from neighbours
    where current_to is not null and next_from is distinct from current_to

),

boundaries as (

    select * from beginnings
    union all
    select * from endings

),

final as (

    select
        boundaries.evaluator,
        boundaries.from_version,
        boundaries.to_version,
        boundaries.at,
        boundaries.cause,
        bridges.shift as value_offset,
        bridges.shift_low as value_offset_low,
        bridges.shift_high as value_offset_high,
        coalesce(bridges.n_shared, 0) as n_shared,
        bridges.agreement,
        bridges.kappa
    from boundaries
    left join bridges using (from_version_id, to_version_id)

)

select * from final
