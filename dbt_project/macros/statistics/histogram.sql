{#
  Log-spaced buckets with a relative error of at most 1 % at the midpoint (Masson, Rim, Lee 2019, "DDSketch",
  VLDB 12:2195): bucket i holds (gamma^(i-1), gamma^i] milliseconds. Counts of equal buckets add up, so a
  percentile over any days is right; percentiles themselves must never be averaged.
#}
{% macro histogram_gamma() %}{{ return(1.01 / 0.99) }}{% endmacro %}


{# Below a microsecond everything shares a bucket: zero has no logarithm. #}
{% macro histogram_bucket(milliseconds) %}
    ceil(ln(greatest({{ milliseconds }}, 0.001)) / ln({{ histogram_gamma() }}::double precision))::integer
{% endmacro %}


{% macro histogram_midpoint(bucket) %}
    2 * ({{ histogram_gamma() }}::double precision ^ {{ bucket }}) / ({{ histogram_gamma() }} + 1)
{% endmacro %}


{# Over rows of (bucket, n_up_to_here, n_total): the midpoint of the bucket that holds the nearest rank. #}
{% macro histogram_percentile(fraction) %}
    {{ histogram_midpoint("min(bucket) filter (where n_up_to_here >= " ~ fraction ~ " * n_total)") }}
{% endmacro %}
