{# The intervals of sums, for SQL that adds rows up itself. #}
{% macro create_statistics() %}
create or replace function {{ this.schema }}.wilson_low(successes double precision, trials double precision)
returns double precision language sql immutable parallel safe
return {{ wilson_bound('successes', 'trials', 'low') }};

create or replace function {{ this.schema }}.wilson_high(successes double precision, trials double precision)
returns double precision language sql immutable parallel safe
return {{ wilson_bound('successes', 'trials', 'high') }};

{%- for name, side in [('mean_low', 'low'), ('mean_high', 'high')] %}

create or replace function {{ this.schema }}.{{ name }}(
    n_clusters double precision, sum_w double precision, sum_wy double precision, sum_ww double precision,
    sum_wwy double precision, sum_wywy double precision
)
returns double precision language sql immutable parallel safe
return {{ hajek_bound(side) }};
{%- endfor %}
{% endmacro %}
