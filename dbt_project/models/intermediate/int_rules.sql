-- One row per rule set and rule in it.

with members as (

    select * from {{ ref('stg_evaluation__rule_set_members') }}

),

versions as (

    select * from {{ ref('stg_evaluation__evaluator_versions') }}

),

final as (

    select
        members.rule_set_version,
        versions.evaluator,
        versions.evaluator_version,
        -- An 'info' finding is worth a chart, not a failed call.
        versions.severity is distinct from 'info' as is_failing
    from members
    inner join versions using (evaluator_version_id)

)

select * from final
