-- Each model against all other models of its day: as the traffic was, on one mix of prompts, and on the same prompts.
-- The mix and the matches are those of the last full day; a light refresh leaves them.

with hours as (

    select
        (hour at time zone 'UTC')::date as day,
        *
    from {{ ref('calls_hourly') }}
    where {{ on_window_days('hour') }}

),

buckets as (

    select
        day,
        model,
        bucket,
        sum(n_calls) as n_calls
    from {{ ref('latency_daily_histogram') }}
    where {{ day_in_windows('day') }}
        and measure = 'latency'
    group by 1, 2, 3

),

models as (

    select
        day,
        model,
        sum(n_calls)::bigint as n_calls,
        sum(n_error)::bigint as n_error,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed,
        sum(n_priced)::bigint as n_priced,
        sum(amount_usd) as amount_usd
    from hours
    group by 1, 2

),

rule_sets as (

    select
        (hour at time zone 'UTC')::date as day,
        model,
        array_agg(distinct rule_set_version order by rule_set_version) as rule_set_versions
    from {{ ref('failing_hourly') }}
    where {{ on_window_days('hour') }}
    group by 1, 2

),

compared as (

    select
        *,
        (sum(n_scored) over day_of_model - n_scored)::bigint as n_rest_scored,
        (sum(n_failed) over day_of_model - n_failed)::bigint as n_rest_failed
    from models
    window day_of_model as (partition by day)

),

rates as (

    select
        *,
        {{ share('n_failed', 'n_scored') }} as fail_rate,
        {{ wilson_bound('n_failed', 'n_scored', 'low') }} as fail_rate_low,
        {{ wilson_bound('n_failed', 'n_scored', 'high') }} as fail_rate_high,
        {{ share('n_rest_failed', 'n_rest_scored') }} as rest_fail_rate,
        {{ wilson_bound('n_rest_failed', 'n_rest_scored', 'low') }} as rest_fail_rate_low,
        {{ wilson_bound('n_rest_failed', 'n_rest_scored', 'high') }} as rest_fail_rate_high
    from compared

),

-- Newcombe 1998, Statistics in Medicine 17:873, method 10: the interval of a difference from two score intervals.
against_rest as (

    select
        *,
        fail_rate - rest_fail_rate as difference,
        fail_rate - rest_fail_rate
            - sqrt((fail_rate - fail_rate_low) ^ 2 + (rest_fail_rate_high - rest_fail_rate) ^ 2) as difference_low,
        fail_rate - rest_fail_rate
            + sqrt((fail_rate_high - fail_rate) ^ 2 + (rest_fail_rate - rest_fail_rate_low) ^ 2) as difference_high
    from rates

),

ranked as (

    select
        *,
        sum(n_calls) over (
            partition by day, model
            order by bucket
        ) as n_up_to_here,
        sum(n_calls) over (partition by day, model) as n_total
    from buckets

),

latencies as (

    select
        day,
        model,
        {{ histogram_percentile(0.5) }} as latency_p50_ms,
        {{ histogram_percentile(0.95) }} as latency_p95_ms
    from ranked
    group by 1, 2

),

mix as (

    select * from {{ ref('traffic_mix') }}
    where {{ day_in_windows('day') }}
        and n_scored > 0

),

strata as (

    select
        day,
        'fail_rate' as measure,
        project,
        prompt_class,
        language,
        length_band,
        rule_set_version,
        model,
        {{ sums_of_failures() }}
    from mix

),

{{ differences(
    'strata', ['day', 'measure'], ['project', 'prompt_class', 'language', 'length_band', 'rule_set_version']
) }},

pairs as (

    select
        day,
        model,
        'fail_rate' as measure,
        sum(n_prompts)::bigint as n_prompts,
        sum(sum_difference) as sum_difference,
        sum(sum_squared) as sum_squared
    from {{ ref('model_pairs_daily') }}
    where {{ day_in_windows('day') }}
        and evaluator = 'rules'
        and other_model = '(rest)'
    group by day, model

),

intervals as (

    select
        *,
        {{ rounded(matched_difference()) }} as matched_difference,
        {{ rounded(matched_bound('low')) }} as matched_difference_low,
        {{ rounded(matched_bound('high')) }} as matched_difference_high
    from pairs

),

on_the_same_prompts as (

    select
        day,
        model,
        n_prompts as n_matched_prompts,
        matched_difference,
        matched_difference_low,
        matched_difference_high,
        {{ verdict_of('matched_difference', 'n_prompts') }} as matched_verdict
    from intervals

),

on_one_mix as (

    select
        day,
        model,
        mix_coverage,
        n_effective,
        n_rest_effective,
        standardised as standardised_fail_rate,
        standardised_low as standardised_fail_rate_low,
        standardised_high as standardised_fail_rate_high,
        rest_standardised as rest_standardised_fail_rate,
        standardised_difference,
        standardised_difference_low,
        standardised_difference_high,
        {{ verdict_of('standardised_difference', n_of_mix()) }} as standardised_verdict
    from differences

),

final as (

    select
        day,
        model,
        n_calls,
        n_error,
        n_scored,
        n_failed,
        fail_rate,
        fail_rate_low,
        fail_rate_high,
        n_rest_scored,
        rest_fail_rate,
        difference,
        difference_low,
        difference_high,
        case
            when n_scored < 30 or n_rest_scored < 30 then 'not enough data'
            when difference_low > 0 then 'worse'
            when difference_high < 0 then 'better'
            else 'no difference shown'
        end as verdict,
        latencies.latency_p50_ms,
        latencies.latency_p95_ms,
        n_priced,
        amount_usd,
        1000 * amount_usd / nullif(n_priced, 0) as cost_per_1k_calls_usd,
        coalesce(mix_coverage, 0) as mix_coverage,
        n_effective,
        n_rest_effective,
        standardised_fail_rate,
        standardised_fail_rate_low,
        standardised_fail_rate_high,
        rest_standardised_fail_rate,
        standardised_difference,
        standardised_difference_low,
        standardised_difference_high,
        coalesce(standardised_verdict, 'not enough data') as standardised_verdict,
        coalesce(n_matched_prompts, 0) as n_matched_prompts,
        matched_difference,
        matched_difference_low,
        matched_difference_high,
        coalesce(matched_verdict, 'not enough data') as matched_verdict,
        rule_set_versions
    from against_rest
    left join rule_sets using (day, model)
    left join latencies using (day, model)
    left join on_one_mix using (day, model)
    left join on_the_same_prompts using (day, model)

)

select * from final
