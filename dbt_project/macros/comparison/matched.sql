{#
  The mean difference over matched prompts and its ends, from n_prompts, sum_difference and sum_squared (each prompt
  one pair). Shares get two pairs more, one for each side (Agresti and Min 2005, Statistics in Medicine 24:729): else
  thirty prompts of which all agree would claim to know everything. Means have Student's t, and no interval where all
  differences are the same.
#}
{% macro matched_difference() -%}
    sum_difference / nullif(n_prompts, 0)
{%- endmacro %}


{% macro matched_bound(side) -%}
    {%- set sign, inner, outer, end = ('-', 'least', 'greatest', -1) if side == 'low' else ('+', 'greatest', 'least', 1) -%}
    case
        when measure = 'fail_rate' then {{ outer }}({{ end }}, {{ inner }}(
            sum_difference / n_prompts,
            sum_difference / (n_prompts + 2) {{ sign }} 1.959963984540054 * sqrt(greatest(0,
                (sum_squared + 1) / (n_prompts + 2) - (sum_difference / (n_prompts + 2)) ^ 2
            ) / (n_prompts + 2))
        ))
        when n_prompts > 1 and sum_squared - sum_difference ^ 2 / n_prompts > 1e-9 then
            sum_difference / n_prompts {{ sign }} {{ student_t('(n_prompts - 1)') }} * sqrt(
                (sum_squared - sum_difference ^ 2 / n_prompts) / (n_prompts - 1) / n_prompts
            )
    end
{%- endmacro %}


{#
  What a difference says: nothing below 30 on the thinner side, or where nothing varies. More failures are worse, and
  higher grades are better.
#}
{% macro verdict_of(name, n) -%}
    case
        when coalesce({{ n }}, 0) < 30 or {{ name }}_low is null then 'not enough data'
        when measure = 'fail_rate' and {{ name }}_low > 0 then 'worse'
        when measure = 'fail_rate' and {{ name }}_high < 0 then 'better'
        when measure = 'mean_score' and {{ name }}_high < 0 then 'worse'
        when measure = 'mean_score' and {{ name }}_low > 0 then 'better'
        else 'no difference shown'
    end
{%- endmacro %}


{# The thinner side of a standardised comparison; 0 where less than half of the calls could be compared. #}
{% macro n_of_mix() -%}
    case when mix_coverage >= 0.5 then least(n_effective, n_rest_effective) end
{%- endmacro %}

