{#
  Quality of whole days by columns of the calls, such as a user: one row per day, project, those columns, model and
  evaluator version. `rules` is "failed any rule of severity above info", and bears the traffic and the money.
#}
{% macro quality_by(columns) %}
{%- set groups = (['day', 'project'] + columns + ['model']) | join(', ') -%}
with calls as (

    select
        (started_at at time zone 'UTC')::date as day,
        started_at,
        call_id,
        project,
        {%- for column in columns %}
        coalesce({{ column }}, '(none)') as {{ column }},
        {%- endfor %}
        model,
        coalesce(rule_set_version::text, '(none)') as evaluator_version,
        failed_rules,
        is_failed,
        amount_usd,
        input_uncached,
        cache_read,
        cache_write,
        cache_write_1h,
        input_audio,
        input_image,
        output_text,
        reasoning,
        output_audio,
        output_image
    from {{ ref('calls') }}
    where {{ on_window_days('started_at') }}

),

judged as (

    select * from {{ ref('judged_calls') }}
    where {{ on_window_days('started_at') }}
        and weight is not null

),

counted as (

    select
        {{ groups }},
        evaluator_version,
        count(*) as n_calls,
        count(is_failed) as n_scored,
        count(*) filter (where is_failed) as n_failed,
        count(amount_usd) as n_priced,
        sum(amount_usd) as amount_usd,
        {{ input_tokens() }} as input_tokens,
        {{ output_tokens() }} as output_tokens
    from calls
    group by {{ groups }}, evaluator_version

),

failures as (

    select
        {{ groups }},
        evaluator_version,
        failed.evaluator as failed_rule,
        count(*) as count_calls
    from calls
    cross join unnest(failed_rules) as failed (evaluator)
    group by {{ groups }}, evaluator_version, failed.evaluator

),

failed as (

    select
        {{ groups }},
        evaluator_version,
        jsonb_object_agg(failed_rule, count_calls) as failed_rules
    from failures
    group by {{ groups }}, evaluator_version

),

rule_rows as (

    select
        {{ groups }},
        'rules' as evaluator,
        evaluator_version,
        counted.n_calls,
        counted.n_scored,
        counted.n_failed,
        {{ share('counted.n_failed', 'counted.n_scored') }} as fail_rate,
        {{ wilson_bound('counted.n_failed', 'counted.n_scored', 'low') }} as fail_rate_low,
        {{ wilson_bound('counted.n_failed', 'counted.n_scored', 'high') }} as fail_rate_high,
        coalesce(failed.failed_rules, '{}') as failed_rules,
        null::bigint as n_clusters,
        null::double precision as mean_score,
        null::double precision as mean_score_low,
        null::double precision as mean_score_high,
        null::double precision as sum_w,
        null::double precision as sum_wy,
        null::double precision as sum_ww,
        null::double precision as sum_wwy,
        null::double precision as sum_wywy,
        {{ share('counted.n_scored', 'counted.n_calls') }} as coverage,
        counted.n_priced,
        counted.amount_usd,
        counted.input_tokens,
        counted.output_tokens
    from counted
    left join failed using ({{ groups }}, evaluator_version)

),

traffic as (

    select
        {{ groups }},
        sum(n_calls)::bigint as n_calls
    from counted
    group by {{ groups }}

),

clusters as (

    select
        {{ qualified('calls', (['day', 'project'] + columns + ['model'])) }},
        judged.evaluator,
        judged.evaluator_version,
        judged.cluster,
        count(*) as count_scores,
        sum(judged.weight) as weight,
        sum(judged.weight * judged.value) as weighted
    from judged
    inner join calls using (started_at, call_id)
    group by {{ qualified('calls', (['day', 'project'] + columns + ['model'])) }},
        judged.evaluator, judged.evaluator_version, judged.cluster

),

summed as (

    select
        {{ groups }},
        evaluator,
        evaluator_version,
        sum(count_scores)::bigint as n_scored,
        {{ hajek_sums() }}
    from clusters
    group by {{ groups }}, evaluator, evaluator_version

),

judge_rows as (

    select
        {{ groups }},
        summed.evaluator,
        summed.evaluator_version,
        traffic.n_calls,
        summed.n_scored,
        null::bigint as n_failed,
        null::double precision as fail_rate,
        null::double precision as fail_rate_low,
        null::double precision as fail_rate_high,
        null::jsonb as failed_rules,
        summed.n_clusters,
        {{ hajek_mean() }} as mean_score,
        {{ hajek_bound('low') }} as mean_score_low,
        {{ hajek_bound('high') }} as mean_score_high,
        summed.sum_w,
        summed.sum_wy,
        summed.sum_ww,
        summed.sum_wwy,
        summed.sum_wywy,
        {{ share('summed.n_scored', 'traffic.n_calls') }} as coverage,
        null::bigint as n_priced,
        null::numeric as amount_usd,
        null::bigint as input_tokens,
        null::bigint as output_tokens
    from summed
    inner join traffic using ({{ groups }})

),

final as (

    select * from rule_rows
    union all
    select * from judge_rows

)

select * from final
{% endmacro %}
