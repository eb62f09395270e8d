{#
  Quality by weekday and hour of the day, over the hours of `hours`, a CTE of quality_hourly with the local time as
  `local_hour`. A judge's mean of many hours weighs each hour by its calls, since each hour's mean speaks for all of
  them; scores that came with an import were drawn by nobody and speak for themselves alone. The interval of a mean
  cannot be had from those of the hours, so there is none.
#}
{% macro quality_profile(hours) %}
{%- set group = 'weekday, hour_of_day, model, project, evaluator, evaluator_version, kind' -%}
placed as (

    select
        extract(isodow from local_hour)::integer as weekday,
        extract(hour from local_hour)::integer as hour_of_day,
        case kind when 'external' then n_scored else n_eligible end as n_spoken_for,
        *
    from {{ hours }}

),

profile as (

    select
        {{ group }},
        -- The hour is in the key: a row is an hour.
        count(*) as n_hours,
        sum(n_eligible)::bigint as n_eligible,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed,
        sum(n_spoken_for * mean_score) / sum(n_spoken_for) filter (where mean_score is not null) as mean_score
    from placed
    group by {{ group }}

)

select
    {{ group }},
    n_hours,
    n_eligible,
    n_scored,
    n_failed,
    {{ share('n_scored - n_failed', 'n_scored') }} as pass_rate,
    {{ wilson_bound('(n_scored - n_failed)', 'n_scored', 'low') }} as pass_rate_low,
    {{ wilson_bound('(n_scored - n_failed)', 'n_scored', 'high') }} as pass_rate_high,
    mean_score,
    {{ share('n_scored', 'n_eligible') }} as coverage
from profile
{% endmacro %}


{% macro create_quality_profile() %}
create or replace function {{ this.schema }}.quality_profile_between(
    first_day date,
    last_day date,
    time_zone text default 'UTC'
)
returns table (
    weekday integer,
    hour_of_day integer,
    model text,
    project text,
    evaluator text,
    evaluator_version text,
    kind text,
    n_hours bigint,
    n_eligible bigint,
    n_scored bigint,
    n_failed bigint,
    pass_rate double precision,
    pass_rate_low double precision,
    pass_rate_high double precision,
    mean_score double precision,
    coverage double precision
)
language sql stable parallel safe as $function$
with hours as (

    select
        hour at time zone time_zone as local_hour,
        *
    from {{ named(ref('quality_hourly')) }}
    where hour >= first_day::timestamp at time zone time_zone
        and hour < (last_day + 1)::timestamp at time zone time_zone

),

{{ quality_profile('hours') }}
$function$
{% endmacro %}
