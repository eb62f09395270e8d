{#
  Data tests on a mart read the run's window: `where: inside_windows` (set for the whole folder) becomes the
  predicate of the tested model; `windows: all` lifts it for the nightly pass. Other models are read whole.
#}
{% macro get_where_subquery(relation) %}
    {%- set where = config.get('where') -%}
    {%- if where != 'inside_windows' -%}
        {{ return(adapter.dispatch('get_where_subquery', 'dbt')(relation)) }}
    {%- endif -%}
    {%- set meta = meta_of(model.attached_node) -%}
    {%- if not execute or reads_everything() or not meta.window_column -%}
        {{ return(relation) }}
    {%- endif -%}
    {{ return("(select * from " ~ relation ~ " where " ~ in_window_of(meta) ~ ") as inside_windows") }}
{% endmacro %}


{% macro meta_of(unique_id) %}
    {%- if execute and unique_id in graph.nodes -%}
        {{ return(graph.nodes[unique_id].config.meta) }}
    {%- endif -%}
    {{ return({}) }}
{% endmacro %}
