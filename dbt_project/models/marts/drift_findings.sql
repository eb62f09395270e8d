{{ config(materialized='view') }}

with findings as (

    select * from {{ ref('stg_evaluation__drift_findings') }}

),

-- A day that is missing or could not be compared ends a run of days: nobody knows what it was like.
marked as (

    select
        *,
        count(*) filter (where not is_drift) over by_column as n_ends,
        day - (row_number() over by_column)::integer as island
    from findings
    window by_column as (
        partition by column_name
        order by day
    )

),

final as (

    select
        day,
        column_name,
        kind,
        method,
        value,
        threshold,
        is_drift,
        case
            when is_drift then count(*) filter (where is_drift) over (
                partition by column_name, n_ends, island
                order by day
            )
            else 0
        end as n_days_in_row,
        n_current,
        n_reference,
        median_current,
        median_reference,
        reference_from,
        reason,
        evidently_version,
        computed_at
    from marked

)

select * from final
