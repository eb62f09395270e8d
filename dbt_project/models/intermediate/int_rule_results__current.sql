-- One row per judged call in the run's windows: its result under the rule set that was current when it came in,
-- else under the one nearest to that.

with results as (

    select * from {{ ref('stg_evaluation__rule_results') }}
    where {{ in_windows('started_at') }}

),

rule_sets as (

    select * from {{ ref('int_rule_sets') }}

),

preferences as (

    select * from {{ ref('int_rule_set_preferences') }}

),

preferred as (

    select distinct on (results.started_at, results.call_id)
        results.started_at,
        results.call_id,
        results.rule_set_version,
        results.failed,
        results.unscored,
        rule_sets.count_rules,
        rule_sets.failing_rules
    from results
    inner join rule_sets using (rule_set_version)
    inner join preferences
        on preferences.rule_set_version = results.rule_set_version
        and preferences.starts_at <= results.started_at
        and preferences.ends_at > results.started_at
    order by
        results.started_at,
        results.call_id,
        preferences.preference

),

counted as (

    select
        *,
        case
            when unscored = '{}' then count_rules
            else count_rules - (select count(*) from jsonb_object_keys(unscored))
        end::integer as count_scored
    from preferred

),

final as (

    select
        started_at,
        call_id,
        rule_set_version,
        failed as failed_rules,
        unscored as unscored_rules,
        count_scored as n_rules_scored,
        cardinality(failed) as n_rules_failed,
        case when count_scored > 0 then coalesce(failed && failing_rules, false) end as is_failed
    from counted

)

select * from final
