-- One row per rule set: how many rules it has, which of them fail a call, and whether it is the current one.

with rule_sets as (

    select * from {{ ref('stg_evaluation__rule_sets') }}

),

rules as (

    select * from {{ ref('int_rules') }}

),

final as (

    select
        rule_sets.rule_set_version,
        rule_sets.current_to is null as is_current,
        count(rules.evaluator) as count_rules,
        array_agg(rules.evaluator) filter (where rules.is_failing) as failing_rules
    from rule_sets
    left join rules using (rule_set_version)
    group by rule_sets.rule_set_version, rule_sets.current_to

)

select * from final
