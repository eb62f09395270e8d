{# Percentiles over any days: buckets add up, percentiles do not. #}
{% macro create_latency_percentiles() %}
create or replace function {{ this.schema }}.latency_percentiles(
    first_day date,
    last_day date,
    grain text default 'all',
    of_measure text default 'latency',
    of_models text[] default null,
    of_projects text[] default null
)
returns table (
    period date,
    model text,
    n_calls bigint,
    p50_ms double precision,
    p95_ms double precision,
    p99_ms double precision
)
language sql stable parallel safe as $function$
with buckets as (

    select
        {{ period_of('day') }} as period,
        histogram.model,
        bucket,
        sum(histogram.n_calls)::double precision as n_calls
    from {{ named(ref('latency_daily_histogram')) }} as histogram
    where day between first_day and last_day
        and measure = of_measure
        and (of_models is null or histogram.model = any(of_models))
        and (of_projects is null or project = any(of_projects))
    group by 1, 2, 3

),

counted as (

    select * from buckets
    union all
    select
        period,
        '(all)',
        bucket,
        sum(n_calls)
    from buckets
    group by period, bucket

),

ranked as (

    select
        *,
        sum(n_calls) over (
            partition by period, model
            order by bucket
        ) as n_up_to_here,
        sum(n_calls) over (partition by period, model) as n_total
    from counted

)

select
    period,
    model,
    max(n_total)::bigint,
    {{ histogram_percentile(0.5) }},
    {{ histogram_percentile(0.95) }},
    {{ histogram_percentile(0.99) }}
from ranked
group by period, model
$function$
{% endmacro %}
