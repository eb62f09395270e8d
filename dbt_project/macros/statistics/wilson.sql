{#
  95 % score interval of a share (Wilson 1927, JASA 22:209): it stays inside 0..1 and holds at small n, where the
  normal one does not. `side` is 'low' or 'high'. Null when there are no trials.
#}
{% macro wilson_bound(successes, trials, side) %}
    {%- set z = 1.959963984540054 -%}
    {%- set share = "(" ~ successes ~ ")::double precision / nullif(" ~ trials ~ ", 0)" -%}
    {%- set sign = '-' if side == 'low' else '+' -%}
    least(1, greatest(0, (
        {{ share }} + {{ z * z / 2 }} / nullif({{ trials }}, 0)
        {{ sign }} {{ z }} * sqrt(
            greatest(0, {{ share }} * (1 - {{ share }})) / nullif({{ trials }}, 0)
            + {{ z * z / 4 }} / nullif({{ trials }}, 0)::double precision ^ 2
        )
    ) / (1 + {{ z * z }} / nullif({{ trials }}, 0))))
{% endmacro %}


{# A share, null when there are no trials: unscored is not zero. #}
{% macro share(successes, trials) %}
    ({{ successes }})::double precision / nullif({{ trials }}, 0)
{% endmacro %}
