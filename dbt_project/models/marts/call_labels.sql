{{ config(materialized='view') }}

-- Always ask for a range of started_at: this reads calls, one row per call.

with calls as (

    select * from {{ ref('calls') }}
    where n_rules_failed > 0

),

rules as (

    select * from {{ ref('int_rule_labels') }}

),

failures as (

    select
        calls.started_at,
        calls.call_id,
        calls.model,
        calls.project,
        calls.prompt_name,
        calls.rule_set_version,
        failed.evaluator
    from calls
    cross join lateral unnest(calls.failed_rules) as failed (evaluator)

),

final as (

    select distinct on (failures.started_at, failures.call_id)
        failures.started_at,
        failures.call_id,
        failures.model,
        failures.project,
        failures.prompt_name,
        failures.rule_set_version,
        failures.evaluator,
        rules.label,
        rules.severity,
        rules.priority
    from failures
    inner join rules using (rule_set_version, evaluator)
    order by
        failures.started_at,
        failures.call_id,
        rules.priority desc,
        failures.evaluator

)

select * from final
