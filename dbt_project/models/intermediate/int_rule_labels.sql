-- One row per rule set and rule in it: the label that the rule gives, and which of several rules goes first.

with members as (

    select * from {{ ref('stg_evaluation__rule_set_members') }}

),

versions as (

    select * from {{ ref('stg_evaluation__evaluator_versions') }}

),

written as (

    select * from {{ ref('stg_evaluation__rules') }}

),

final as (

    select
        members.rule_set_version,
        versions.evaluator,
        versions.severity,
        coalesce(written.label, versions.evaluator) as label,
        -- Shipped rules have no priority of their own; as evaluation.call_labels has it.
        coalesce(
            written.priority,
            case versions.severity when 'critical' then 300 when 'warning' then 200 else 100 end
        ) as priority
    from members
    inner join versions using (evaluator_version_id)
    left join written using (evaluator, evaluator_version)

)

select * from final
