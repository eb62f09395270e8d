-- Counted from groups of calls, not from a row per call and rule: twelve rules would be twelve times the rows.

with calls as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        model,
        project,
        rule_set_version is null as is_pending,
        rule_set_version,
        failed_rules,
        unscored_rules
    from {{ ref('calls') }}
    where {{ in_windows('started_at') }}

),

rules as (

    select * from {{ ref('int_rules') }}

),

-- A call without a result waits for the rules that are current now.
current_rule_set as (

    select max(rule_set_version) as rule_set_version from {{ ref('int_rule_sets') }}
    where is_current

),

eligible as (

    select
        calls.hour,
        calls.model,
        calls.project,
        coalesce(calls.rule_set_version, current_rule_set.rule_set_version) as rule_set_version,
        count(*) as count_calls,
        count(*) filter (where calls.is_pending) as count_pending
    from calls
    cross join current_rule_set
    group by 1, 2, 3, 4

),

failed as (

    select
        calls.hour,
        calls.model,
        calls.project,
        calls.rule_set_version,
        failed.evaluator,
        count(*) as count_failed
    from calls
    cross join unnest(calls.failed_rules) as failed (evaluator)
    where not calls.unscored_rules ? failed.evaluator
    group by 1, 2, 3, 4, 5

),

unscored_by_rule_set as (

    select
        calls.hour,
        calls.model,
        calls.project,
        calls.rule_set_version,
        unscored.evaluator,
        unscored.reason,
        count(*) as count_calls
    from calls
    cross join jsonb_each_text(calls.unscored_rules) as unscored (evaluator, reason)
    group by 1, 2, 3, 4, 5, 6

),

-- A rule that did not change is in several rule sets under one version: add them up.
counted as (

    select
        eligible.hour,
        eligible.model,
        eligible.project,
        rules.evaluator,
        rules.evaluator_version,
        sum(eligible.count_calls)::bigint as n_eligible,
        sum(eligible.count_pending)::bigint as n_pending,
        coalesce(sum(failed.count_failed), 0)::bigint as n_failed
    from eligible
    inner join rules using (rule_set_version)
    left join failed using (hour, model, project, rule_set_version, evaluator)
    group by 1, 2, 3, 4, 5

),

reasons as (

    select
        unscored.hour,
        unscored.model,
        unscored.project,
        rules.evaluator,
        rules.evaluator_version,
        unscored.reason,
        sum(unscored.count_calls)::bigint as count_calls
    from unscored_by_rule_set as unscored
    inner join rules using (rule_set_version, evaluator)
    group by 1, 2, 3, 4, 5, 6

),

unscored as (

    select
        hour,
        model,
        project,
        evaluator,
        evaluator_version,
        coalesce(sum(count_calls) filter (where reason <> 'sampled_out'), 0)::bigint as n_unscored,
        coalesce(sum(count_calls) filter (where reason = 'sampled_out'), 0)::bigint as n_sampled_out,
        jsonb_object_agg(reason, count_calls) filter (where reason <> 'sampled_out') as unscored_by_reason
    from reasons
    group by 1, 2, 3, 4, 5

),

ledger as (

    select
        counted.hour,
        counted.model,
        counted.project,
        counted.evaluator,
        counted.evaluator_version,
        counted.n_eligible,
        counted.n_eligible - counted.n_pending
            - coalesce(unscored.n_unscored, 0) - coalesce(unscored.n_sampled_out, 0) as n_scored,
        counted.n_failed,
        coalesce(unscored.n_unscored, 0) as n_unscored,
        coalesce(unscored.unscored_by_reason, '{}') as unscored_by_reason,
        coalesce(unscored.n_sampled_out, 0) as n_sampled_out,
        counted.n_pending
    from counted
    left join unscored using (hour, model, project, evaluator, evaluator_version)

),

final as (

    select
        *,
        {{ share('n_scored - n_failed', 'n_scored') }} as pass_rate,
        {{ wilson_bound('n_scored - n_failed', 'n_scored', 'low') }} as pass_rate_low,
        {{ wilson_bound('n_scored - n_failed', 'n_scored', 'high') }} as pass_rate_high,
        {{ share('n_scored', 'n_eligible') }} as coverage
    from ledger

)

select * from final
