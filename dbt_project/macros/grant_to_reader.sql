{#
  Dashboards read as `lqo_reader`, the SQL of alert rules as `lqo_alerts`, which sees the marts alone. The
  migrations' default privileges cover relations of their own role; this covers a dbt that runs as another. A table
  keeps its grants across refreshes, so only a new relation is granted.
#}
{% macro grant_to_reader() %}
    {%- if execute and (model.config.materialized == 'view' or load_cached_relation(this) is none) -%}
        do $$
        begin
            if exists (select from pg_roles where rolname = 'lqo_reader') then
                grant select on {{ this }} to lqo_reader;
            end if;
            {%- if this.schema == 'marts' %}
            if exists (select from pg_roles where rolname = 'lqo_alerts') then
                grant select on {{ this }} to lqo_alerts;
            end if;
            {%- endif %}
        end
        $$
    {%- endif -%}
{% endmacro %}
