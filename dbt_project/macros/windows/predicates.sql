{#
  Predicates over constants, never over a subquery: so partitions are pruned while planning and the primary
  key's leading column is a range scan.
#}

{# `column` (timestamptz) lies inside the run's windows. #}
{% macro in_windows(column) %}
    {%- if reads_everything() -%}{{ return("true") }}{%- endif -%}
    {%- set ranges = [] -%}
    {%- for starts_at, ends_at in windows() -%}
        {%- do ranges.append(utc_range(column, starts_at, ends_at)) -%}
    {%- endfor -%}
    {{ return(any_of(ranges)) }}
{% endmacro %}


{# `column` (timestamptz) lies on a UTC day that the run's windows touch. #}
{% macro on_window_days(column) %}
    {%- if reads_everything() -%}{{ return("true") }}{%- endif -%}
    {%- set ranges = [] -%}
    {%- for first_day, next_day in window_days() -%}
        {%- do ranges.append(utc_range(column, first_day, next_day)) -%}
    {%- endfor -%}
    {{ return(any_of(ranges)) }}
{% endmacro %}


{# `column` (date, a UTC day) is a day that the run's windows touch. #}
{% macro day_in_windows(column) %}
    {%- if reads_everything() -%}{{ return("true") }}{%- endif -%}
    {%- set ranges = [] -%}
    {%- for first_day, next_day in window_days() -%}
        {%- do ranges.append(
            "(" ~ column ~ " >= date '" ~ first_day ~ "' and " ~ column ~ " < date '" ~ next_day ~ "')"
        ) -%}
    {%- endfor -%}
    {{ return(any_of(ranges)) }}
{% endmacro %}


{# `windows: all` is for data tests alone: nothing that writes may reach for all of history at once. #}
{% macro reads_everything() %}
    {{ return(flags.WHICH == 'test' and given_windows() == 'all') }}
{% endmacro %}


{% macro utc_range(column, starts_at, ends_at) %}
    {%- set pattern = "%Y-%m-%d %H:%M:%S+00" -%}
    {{ return(
        "(" ~ column ~ " >= timestamptz '" ~ starts_at.strftime(pattern)
        ~ "' and " ~ column ~ " < timestamptz '" ~ ends_at.strftime(pattern) ~ "')"
    ) }}
{% endmacro %}


{% macro any_of(conditions) %}
    {{ return("(" ~ conditions | join(" or ") ~ ")" if conditions else "false") }}
{% endmacro %}


{# What `replace_window` deletes and what a data test reads: the model's own window column and grain. #}
{% macro in_window_of(meta) %}
    {%- if meta.window_grain == 'day' -%}
        {{ return(day_in_windows(meta.window_column)) }}
    {%- endif -%}
    {{ return(in_windows(meta.window_column)) }}
{% endmacro %}
