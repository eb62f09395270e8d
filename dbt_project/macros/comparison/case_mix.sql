{# A prompt's length in five bands, each four times the one before, by the characters of its last user message. #}
{% macro length_band(characters) -%}
    case
        when {{ characters }} is null then '(unknown)'
        when {{ characters }} < 100 then '0-99'
        when {{ characters }} < 400 then '100-399'
        when {{ characters }} < 1600 then '400-1599'
        when {{ characters }} < 6400 then '1600-6399'
        else '6400+'
    end
{%- endmacro %}


{# Tokens in and out, from the exclusive buckets that calls were charged for; null where none was charged. #}
{% macro input_tokens() -%}
    {{ sum_of(['input_uncached', 'cache_read', 'cache_write', 'cache_write_1h', 'input_audio', 'input_image']) }}
{%- endmacro %}


{% macro output_tokens() -%}
    {{ sum_of(['output_text', 'reasoning', 'output_audio', 'output_image']) }}
{%- endmacro %}


{% macro sum_of(buckets) -%}
    sum({% for bucket in buckets %}coalesce({{ bucket }}, 0){{ ' + ' if not loop.last }}{% endfor %})
            filter (where num_nonnulls({{ buckets | join(', ') }}) > 0)::bigint
{%- endmacro %}


{# Failures as the sums of a mean: every call weighs one and is a cluster of its own. #}
{% macro sums_of_failures() -%}
    n_scored::double precision as n_scored,
        n_scored::double precision as n_clusters,
        n_scored::double precision as sum_w,
        n_failed::double precision as sum_wy,
        n_scored::double precision as sum_ww,
        n_failed::double precision as sum_wwy,
        n_failed::double precision as sum_wywy
{%- endmacro %}
