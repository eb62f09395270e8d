{#
  Models over any days and by any evaluator. The functions read few rows per day (strata and pairs), so a quarter
  answers like a day.
#}
{% macro create_compare_models() %}
{%- set keys = ['period', 'evaluator', 'evaluator_version', 'measure'] -%}
create or replace function {{ this.schema }}.compare_models(
    first_day date,
    last_day date,
    grain text default 'all',
    of_projects text[] default null,
    of_evaluator text default null
)
returns table (
    period date,
    evaluator text,
    evaluator_version text,
    measure text,
    model text,
    n_calls bigint,
    n_scored bigint,
    coverage double precision,
    estimate double precision,
    estimate_low double precision,
    estimate_high double precision,
    n_rest_scored bigint,
    rest_estimate double precision,
    difference double precision,
    difference_low double precision,
    difference_high double precision,
    verdict text,
    mix_coverage double precision,
    n_effective double precision,
    n_rest_effective double precision,
    standardised double precision,
    standardised_low double precision,
    standardised_high double precision,
    rest_standardised double precision,
    standardised_difference double precision,
    standardised_difference_low double precision,
    standardised_difference_high double precision,
    standardised_verdict text,
    n_matched_prompts bigint,
    matched_difference double precision,
    matched_difference_low double precision,
    matched_difference_high double precision,
    matched_verdict text
)
language sql stable parallel safe as $function$
-- Added up at once: everything after works on a few thousand strata, however long the range.
with mix as (

    select
        {{ period_of('day') }} as period,
        project,
        prompt_class,
        language,
        length_band,
        rule_set_version,
        mix.model,
        sum(mix.n_calls)::bigint as n_calls,
        sum(mix.n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed
    from {{ named(ref('traffic_mix')) }} as mix
    where day between first_day and last_day
        and (of_projects is null or project = any(of_projects))
    group by 1, 2, 3, 4, 5, 6, 7

),

judged as (

    select
        {{ period_of('day') }} as period,
        evaluator,
        evaluator_version,
        project,
        prompt_class,
        language,
        length_band,
        model,
        {{ added_up(sums_of_a_mean()) }}
    from {{ named(ref('judge_mix_daily')) }}
    where day between first_day and last_day
        and (of_projects is null or project = any(of_projects))
        and (of_evaluator is null or evaluator = of_evaluator)
    group by 1, 2, 3, 4, 5, 6, 7, 8

),

strata as (

    select
        period,
        'rules' as evaluator,
        rule_set_version::text as evaluator_version,
        'fail_rate' as measure,
        project,
        prompt_class,
        language,
        length_band,
        model,
        {{ sums_of_failures() }}
    from mix
    where n_scored > 0
        and (of_evaluator is null or of_evaluator = 'rules')
    union all
    select
        period,
        evaluator,
        evaluator_version,
        'mean_score',
        project,
        prompt_class,
        language,
        length_band,
        model,
        {{ sums_of_a_mean() | join(', ') }}
    from judged

),

{{ differences('strata', keys, ['project', 'prompt_class', 'language', 'length_band']) }},

traffic as (

    select
        period,
        model,
        sum(n_calls)::bigint as n_calls
    from mix
    group by period, model

),

{{ matched_pairs("other_model = '(rest)'", 'model') }}

select
    period,
    evaluator,
    evaluator_version,
    measure,
    model,
    traffic.n_calls,
    differences.n_scored,
    {{ share('differences.n_scored', 'traffic.n_calls') }},
    differences.estimate,
    differences.estimate_low,
    differences.estimate_high,
    differences.n_rest_scored,
    differences.rest_estimate,
    differences.difference,
    differences.difference_low,
    differences.difference_high,
    {{ verdict_of('difference', 'n_least') }},
    differences.mix_coverage,
    differences.n_effective,
    differences.n_rest_effective,
    differences.standardised,
    differences.standardised_low,
    differences.standardised_high,
    differences.rest_standardised,
    differences.standardised_difference,
    differences.standardised_difference_low,
    differences.standardised_difference_high,
    {{ verdict_of('standardised_difference', n_of_mix()) }},
    coalesce(matched.n_prompts, 0),
    matched.matched_difference,
    matched.matched_difference_low,
    matched.matched_difference_high,
    {{ verdict_of('matched_difference', 'matched.n_prompts') }}
from differences
left join traffic using (period, model)
left join matched using (period, evaluator, evaluator_version, measure, model)
$function$
{% endmacro %}


{% macro create_compare_pairs() %}
create or replace function {{ this.schema }}.compare_pairs(
    first_day date,
    last_day date,
    grain text default 'all',
    of_projects text[] default null,
    of_evaluator text default null
)
returns table (
    period date,
    evaluator text,
    evaluator_version text,
    measure text,
    model text,
    other_model text,
    n_prompts bigint,
    difference double precision,
    difference_low double precision,
    difference_high double precision,
    verdict text
)
language sql stable parallel safe as $function$
with {{ matched_pairs("other_model <> '(rest)'", 'model, other_model') }}

select
    period,
    evaluator,
    evaluator_version,
    measure,
    model,
    other_model,
    n_prompts,
    matched_difference,
    matched_difference_low,
    matched_difference_high,
    {{ verdict_of('matched_difference', 'n_prompts') }}
from matched
$function$
{% endmacro %}


{# The CTE `matched`: differences on matched prompts over the function's days. #}
{% macro matched_pairs(wanted, groups) %}
pairs as (

    select
        {{ period_of('day') }} as period,
        evaluator,
        evaluator_version,
        {{ measure_of('evaluator') }} as measure,
        {{ groups }},
        sum(n_prompts)::bigint as n_prompts,
        sum(sum_difference) as sum_difference,
        sum(sum_squared) as sum_squared
    from {{ named(ref('model_pairs_daily')) }}
    where day between first_day and last_day
        and (of_projects is null or project = any(of_projects))
        and (of_evaluator is null or evaluator = of_evaluator)
        and {{ wanted }}
    group by 1, evaluator, evaluator_version, {{ groups }}

),

matched as (

    select
        *,
        {{ matched_difference() }} as matched_difference,
        {{ matched_bound('low') }} as matched_difference_low,
        {{ matched_bound('high') }} as matched_difference_high
    from pairs

)
{% endmacro %}


{% macro measure_of(evaluator) -%}
    case {{ evaluator }} when 'rules' then 'fail_rate' else 'mean_score' end
{%- endmacro %}
