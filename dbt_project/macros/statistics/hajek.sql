{#
  Means of scores that were sampled with unequal probabilities: weighted by 1 / probability (Hájek 1971), with the
  variance of a ratio of cluster totals (linearised; Särndal, Swensson, Wretman 1992, 5.7), because calls with the same
  content share one verdict and tell nothing of each other.

  `hajek_sums` are the columns that a group of clusters needs, from cluster totals `weight` (sum of weights) and
  `weighted` (sum of weight times value).
#}
{% macro hajek_sums() %}
        count(*) as n_clusters,
        sum(weight) as sum_w,
        sum(weighted) as sum_wy,
        sum(weight * weight) as sum_ww,
        sum(weight * weighted) as sum_wwy,
        sum(weighted * weighted) as sum_wywy
{% endmacro %}


{% macro hajek_mean() %}
    sum_wy / nullif(sum_w, 0)
{% endmacro %}


{# One end of the 95 % interval ('low' or 'high'); null with one cluster, or where all clusters say the same. #}
{% macro hajek_bound(side) %}
    {%- set sign = '-' if side == 'low' else '+' -%}
    {#- What rounding leaves of no difference at all is no interval either. -#}
    case when n_clusters > 1 and {{ hajek_error() }} > 1e-6 then
        sum_wy / sum_w {{ sign }} {{ student_t('(n_clusters - 1)') }} * {{ hajek_error() }}
    end
{% endmacro %}


{% macro hajek_error() -%}
    (sqrt(greatest(0,
        (sum_wywy - 2 * sum_wy / sum_w * sum_wwy + (sum_wy / sum_w) ^ 2 * sum_ww)
        * n_clusters / nullif(n_clusters - 1, 0)
    )) / sum_w)
{%- endmacro %}


{#
  The 97.5 % quantile of Student's t, by the expansion in 1 / degrees of freedom (Abramowitz and Stegun 26.7.5):
  within 0.1 % from 5 degrees on, 2.5 % short at 2; exact values for 1 to 4.
#}
{% macro student_t(degrees) %}
    {%- set z = 1.959963984540054 -%}
    (case {{ degrees }}
        when 1 then 12.706204736
        when 2 then 4.302652730
        when 3 then 3.182446305
        when 4 then 2.776445105
        else {{ z }}
            + {{ (z ** 3 + z) / 4 }} / {{ degrees }}
            + {{ (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96 }} / {{ degrees }}::double precision ^ 2
            + {{ (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384 }} / {{ degrees }}::double precision ^ 3
    end)
{% endmacro %}
