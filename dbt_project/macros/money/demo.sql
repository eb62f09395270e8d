{#
  Whether `hours` (cost_hourly) holds anything that a provider bills beside the demo and its judges: demo calls count
  in figures of money only while there is nothing else, so that a first look is not at an empty page.
#}
{% macro has_more_than_a_demo() %}
    exists (select from {{ ref('cost_hourly') }} where purpose not in ('demo', 'judge'))
{% endmacro %}
