{#
  The UTC ranges that this invocation replaces, half-open and aligned to hours, as a list of (from, to).

  `--vars '{windows: [["2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"]]}'`, or the same list as JSON in
  LQO_DBT_WINDOWS: other vars make dbt parse everything anew (2–3 s), another environment does not. An empty list
  is allowed and replaces nothing. Only data tests accept `all`. Commands that write no rows need no windows.
#}
{% macro windows() %}
    {%- set given = given_windows() -%}
    {%- if given is none and (not execute or flags.WHICH not in ['run', 'build', 'test', 'retry']) -%}
        {{ return([]) }}
    {%- elif given is none -%}
        {%- do exceptions.raise_compiler_error(
            "no windows: pass --vars '{windows: [[\"2026-11-01T00:00:00Z\", \"2026-11-02T00:00:00Z\"]]}'"
            ~ " or the list as JSON in LQO_DBT_WINDOWS"
        ) -%}
    {%- elif given is string -%}
        {%- do exceptions.raise_compiler_error("windows must be a list of [from, to], not " ~ given) -%}
    {%- endif -%}
    {%- set ranges = [] -%}
    {%- for bounds in given -%}
        {%- do ranges.append(parse_window(bounds)) -%}
    {%- endfor -%}
    {{ return(ranges) }}
{% endmacro %}


{# Read while executing only: what parsing reads from the environment, dbt tracks and parses anew. #}
{% macro given_windows() %}
    {%- set given = var('windows', none) -%}
    {%- if given is none and execute and env_var('LQO_DBT_WINDOWS', '') -%}
        {%- set text = env_var('LQO_DBT_WINDOWS') -%}
        {{ return(text if text == 'all' else fromjson(text, text)) }}
    {%- endif -%}
    {{ return(given) }}
{% endmacro %}


{% macro parse_window(bounds) %}
    {%- if bounds is string or bounds | length != 2 -%}
        {%- do exceptions.raise_compiler_error("a window is [from, to], not " ~ bounds) -%}
    {%- endif -%}
    {%- set starts_at = parse_hour(bounds[0]) -%}
    {%- set ends_at = parse_hour(bounds[1]) -%}
    {%- if starts_at >= ends_at -%}
        {%- do exceptions.raise_compiler_error("a window must end after it starts: " ~ bounds) -%}
    {%- endif -%}
    {{ return((starts_at, ends_at)) }}
{% endmacro %}


{% macro parse_hour(value) %}
    {%- set instant = modules.datetime.datetime.fromisoformat((value | string).replace('Z', '+00:00')) -%}
    {%- if instant.tzinfo is none -%}
        {%- do exceptions.raise_compiler_error("a window needs a time zone: " ~ value) -%}
    {%- endif -%}
    {%- set instant = instant.astimezone(modules.pytz.utc) -%}
    {%- if instant.minute or instant.second or instant.microsecond -%}
        {%- do exceptions.raise_compiler_error("a window must be aligned to hours: " ~ value) -%}
    {%- endif -%}
    {{ return(instant) }}
{% endmacro %}


{# The whole UTC days that the windows touch, as ranges of [from, to) with neighbours merged. #}
{% macro window_days() %}
    {%- set one_day = modules.datetime.timedelta(days=1) -%}
    {%- set days = [] -%}
    {%- for starts_at, ends_at in windows() -%}
        {%- set last_moment = ends_at - modules.datetime.timedelta(microseconds=1) -%}
        {%- for offset in range((last_moment.date() - starts_at.date()).days + 1) -%}
            {%- do days.append(starts_at.date() + offset * one_day) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set ranges = [] -%}
    {%- for day in days | unique | sort -%}
        {%- if ranges and ranges[-1][1] == day -%}
            {%- do ranges.append((ranges.pop()[0], day + one_day)) -%}
        {%- else -%}
            {%- do ranges.append((day, day + one_day)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(ranges) }}
{% endmacro %}
