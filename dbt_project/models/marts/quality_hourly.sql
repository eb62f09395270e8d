-- Rules are counted from groups of calls, not from a row per call and rule: twelve rules would be twelve times the
-- rows. Judges see a sample, and are counted call by call.

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

rule_rows as (

    select
        hour,
        model,
        project,
        evaluator,
        evaluator_version,
        'rule' as kind,
        n_eligible,
        n_scored,
        n_failed,
        n_unscored,
        unscored_by_reason,
        n_sampled_out,
        n_pending,
        {{ share('n_scored - n_failed', 'n_scored') }} as pass_rate,
        {{ wilson_bound('n_scored - n_failed', 'n_scored', 'low') }} as pass_rate_low,
        {{ wilson_bound('n_scored - n_failed', 'n_scored', 'high') }} as pass_rate_high,
        null::bigint as n_clusters,
        null::double precision as mean_score,
        null::double precision as mean_score_low,
        null::double precision as mean_score_high,
        {{ share('n_scored', 'n_eligible') }} as coverage
    from ledger

),

judged as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        *
    from {{ ref('int_judged_calls__in_window') }}

),

judge_outcomes as (

    select
        hour,
        model,
        project,
        evaluator,
        evaluator_version,
        kind,
        outcome,
        count(*) as count_calls
    from judged
    group by 1, 2, 3, 4, 5, 6, 7

),

judge_ledger as (

    select
        hour,
        model,
        project,
        evaluator,
        evaluator_version,
        kind,
        sum(count_calls)::bigint as n_eligible,
        coalesce(sum(count_calls) filter (where outcome = 'scored'), 0)::bigint as n_scored,
        coalesce(
            sum(count_calls) filter (where outcome not in ('scored', 'sampled_out', 'pending')), 0
        )::bigint as n_unscored,
        coalesce(
            jsonb_object_agg(outcome, count_calls)
                filter (where outcome not in ('scored', 'sampled_out', 'pending')),
            '{}'
        ) as unscored_by_reason,
        coalesce(sum(count_calls) filter (where outcome = 'sampled_out'), 0)::bigint as n_sampled_out,
        coalesce(sum(count_calls) filter (where outcome = 'pending'), 0)::bigint as n_pending
    from judge_outcomes
    group by 1, 2, 3, 4, 5, 6

),

judge_clusters as (

    select
        hour,
        model,
        project,
        evaluator,
        evaluator_version,
        cluster,
        sum(weight) as weight,
        sum(weight * value) as weighted
    from judged
    where outcome = 'scored'
    group by 1, 2, 3, 4, 5, 6

),

judge_sums as (

    select
        hour,
        model,
        project,
        evaluator,
        evaluator_version,
        {{ hajek_sums() }}
    from judge_clusters
    group by 1, 2, 3, 4, 5

),

judge_rows as (

    select
        hour,
        model,
        project,
        evaluator,
        evaluator_version,
        judge_ledger.kind,
        judge_ledger.n_eligible,
        judge_ledger.n_scored,
        -- A grade of 1 to 5 is not passed or failed.
        null::bigint as n_failed,
        judge_ledger.n_unscored,
        judge_ledger.unscored_by_reason,
        judge_ledger.n_sampled_out,
        judge_ledger.n_pending,
        null::double precision as pass_rate,
        null::double precision as pass_rate_low,
        null::double precision as pass_rate_high,
        coalesce(judge_sums.n_clusters, 0) as n_clusters,
        {{ hajek_mean() }} as mean_score,
        {{ hajek_bound('low') }} as mean_score_low,
        {{ hajek_bound('high') }} as mean_score_high,
        {{ share('judge_ledger.n_scored', 'judge_ledger.n_eligible') }} as coverage
    from judge_ledger
    left join judge_sums using (hour, model, project, evaluator, evaluator_version)

),

final as (

    select * from rule_rows
    union all
    select * from judge_rows

)

select * from final
