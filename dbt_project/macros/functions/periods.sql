{#
  The first day of a day's period, inside a function with the arguments first_day and grain. A grain that does not
  exist is an error: anything else would be an answer to another question.
#}
{% macro period_of(day) -%}
    case (select {{ this.schema }}.checked_grain(grain))
            when 'day' then {{ day }}
            when 'week' then date_trunc('week', {{ day }}::timestamp)::date
            when 'month' then date_trunc('month', {{ day }}::timestamp)::date
            else first_day
        end
{%- endmacro %}


{% macro create_periods() %}
create or replace function {{ this.schema }}.checked_grain(grain text)
returns text language plpgsql immutable parallel safe as $function$
begin
    if grain in ('all', 'day', 'week', 'month') then
        return grain;
    end if;
    raise exception 'grain must be all, day, week or month, not %', coalesce(grain, 'null')
        using errcode = 'invalid_parameter_value';
end
$function$
{% endmacro %}


{# A relation by schema and name alone: a function's text must outlive a renamed database. #}
{% macro named(relation) -%}
    {{ relation.include(database=false) }}
{%- endmacro %}
