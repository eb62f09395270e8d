{#
  Each model against all others of its group, as they are and on one mix of prompts.

  CTEs over `strata`, a CTE of one row per `keys`, `stratum` and model, with n_scored, n_clusters and the five sums of a
  Hájek mean, all of them double precision; `measure` must be among the keys. What comes out last is `differences`: one
  row per keys and model.

  The mix is direct standardisation: within a stratum both sides are weighted up to the calls of both, so each side's
  figure is what it would be had it answered everybody's calls. Strata that only one side has answered cannot be
  weighted and drop out; `mix_coverage` is the share of all calls in those that stay. Weights make intervals wider by
  the effective number (Kish 1965): one call that stands for a thousand counts as one.
#}
{% macro differences(strata, keys, stratum) %}
{%- set by_model = keys + ['model'] -%}
{%- set counted = sums_of_a_mean() -%}

-- A window, not a join with the strata's totals: nobody can estimate how many rows nine columns join, and a nested
-- loop over 200,000 strata ran for minutes.
beside as (

    select
        *,
        {%- for column in counted %}
        sum({{ column }}) over stratum - {{ column }} as rest_{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ strata }}
    window stratum as (partition by {{ (keys + stratum) | join(', ') }})

),

shared as (

    select
        *,
        (sum_w + rest_sum_w) / sum_w as factor,
        (sum_w + rest_sum_w) / rest_sum_w as rest_factor
    from beside
    where rest_n_scored > 0

),

own as (

    select
        {{ by_model | join(', ') }},
        'own' as side,
        {{ added_up(counted) }}
    from {{ strata }}
    group by {{ by_model | join(', ') }}

),

rest as (

    select
        {{ by_model | join(', ') }},
        'rest' as side,
        {%- for column in counted %}
        sum({{ column }}) over others - {{ column }} as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from own
    window others as (partition by {{ keys | join(', ') }})

),

sides as (

    select * from own
    union all
    select * from rest
    union all
    select
        {{ by_model | join(', ') }},
        'own_mix',
        {{ weighted_up('', 'factor') }}
    from shared
    group by {{ by_model | join(', ') }}
    union all
    select
        {{ by_model | join(', ') }},
        'rest_mix',
        {{ weighted_up('rest_', 'rest_factor') }}
    from shared
    group by {{ by_model | join(', ') }}

),

-- Rounded, since floating sums depend on the order of rows, and a row that is the same must stay the same.
means as (

    select
        *,
        {{ rounded('sum_w ^ 2 / nullif(sum_ww, 0)') }} as n_effective,
        {{ rounded(hajek_mean()) }} as estimate
    from sides

),

estimates as (

    select
        *,
        case
            when measure = 'fail_rate' then {{ wilson_bound('estimate * n_effective', 'n_effective', 'low') }}
            else {{ rounded(hajek_bound('low')) }}
        end as low,
        case
            when measure = 'fail_rate' then {{ wilson_bound('estimate * n_effective', 'n_effective', 'high') }}
            else {{ rounded(hajek_bound('high')) }}
        end as high
    from means

),

beside_each_other as (

    select
        {{ by_model | join(', ') }},
        {%- for side in ['own', 'rest', 'own_mix', 'rest_mix'] %}
        {%- for column in ['n_scored', 'n_effective', 'sum_w', 'estimate', 'low', 'high'] %}
        max({{ column }}) filter (where side = '{{ side }}') as {{ side }}_{{ column }},
        {%- endfor %}
        {%- endfor %}
        count(*) as count_sides
    from estimates
    group by {{ by_model | join(', ') }}

),

differences as (

    select
        {{ by_model | join(', ') }},
        own_n_scored::bigint as n_scored,
        own_estimate as estimate,
        own_low as estimate_low,
        own_high as estimate_high,
        rest_n_scored::bigint as n_rest_scored,
        rest_estimate,
        {{ difference_of('own', 'rest', 'difference') }},
        least(own_n_effective, rest_n_effective) as n_least,
        coalesce({{ rounded('own_mix_sum_w / nullif(own_sum_w + rest_sum_w, 0)') }}, 0) as mix_coverage,
        own_mix_n_effective as n_effective,
        rest_mix_n_effective as n_rest_effective,
        own_mix_estimate as standardised,
        own_mix_low as standardised_low,
        own_mix_high as standardised_high,
        rest_mix_estimate as rest_standardised,
        {{ difference_of('own_mix', 'rest_mix', 'standardised_difference') }}
    from beside_each_other

)
{% endmacro %}


{% macro sums_of_a_mean() -%}
    {{ return(['n_scored', 'n_clusters', 'sum_w', 'sum_wy', 'sum_ww', 'sum_wwy', 'sum_wywy']) }}
{%- endmacro %}


{% macro added_up(columns) -%}
    {%- for column in columns -%}
        sum({{ column }}::double precision) as {{ column }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{% macro weighted_up(prefix, factor) -%}
        sum({{ prefix }}n_scored),
        sum({{ prefix }}n_clusters),
        sum({{ factor }} * {{ prefix }}sum_w),
        sum({{ factor }} * {{ prefix }}sum_wy),
        sum({{ factor }} ^ 2 * {{ prefix }}sum_ww),
        sum({{ factor }} ^ 2 * {{ prefix }}sum_wwy),
        sum({{ factor }} ^ 2 * {{ prefix }}sum_wywy)
{%- endmacro %}


{#
  The interval of a difference from the intervals of its two sides (MOVER: Zou and Donner 2008, Statistics in Medicine
  27:1693); of two Wilson intervals it is Newcombe's method 10.
#}
{% macro difference_of(one, other, name) -%}
        {{ one }}_estimate - {{ other }}_estimate as {{ name }},
        {{ one }}_estimate - {{ other }}_estimate
            - sqrt(({{ one }}_estimate - {{ one }}_low) ^ 2 + ({{ other }}_high - {{ other }}_estimate) ^ 2)
            as {{ name }}_low,
        {{ one }}_estimate - {{ other }}_estimate
            + sqrt(({{ one }}_high - {{ one }}_estimate) ^ 2 + ({{ other }}_estimate - {{ other }}_low) ^ 2)
            as {{ name }}_high
{%- endmacro %}


{% macro rounded(value) -%}
    round(({{ value }})::numeric, 12)::double precision
{%- endmacro %}
