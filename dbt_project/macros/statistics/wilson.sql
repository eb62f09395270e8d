{#
  95 % score interval of a share (Wilson 1927, JASA 22:209): it stays inside 0..1 and holds at small n, where the
  normal one does not. `side` is 'low' or 'high'. Null when there are no trials.
#}
{% macro wilson_bound(successes, trials, side) %}
    {%- set z = 1.959963984540054 -%}
    {%- set share = "((" ~ successes ~ ")::double precision / " ~ trials ~ ")" -%}
    {%- set sign, beyond = ('-', 'least') if side == 'low' else ('+', 'greatest') -%}
    {#- The share itself lies in its interval; at 0 and 1 rounding would leave it just outside. -#}
    case when {{ trials }} > 0 then
        {{ beyond }}({{ share }}, least(1, greatest(0, (
            {{ share }} + {{ z * z / 2 }} / {{ trials }}
            {{ sign }} {{ z }} * sqrt(
                greatest(0, {{ share }} * (1 - {{ share }})) / {{ trials }}
                + {{ z * z / 4 }} / {{ trials }}::double precision ^ 2
            )
        ) / (1 + {{ z * z }} / {{ trials }}))))
    end
{% endmacro %}


{# A share, null when there are no trials: unscored is not zero. #}
{% macro share(successes, trials) %}
    ({{ successes }})::double precision / nullif({{ trials }}, 0)
{% endmacro %}
