{# The price per million of writing to a cache: the card's own, else what Anthropic documents for Claude. #}
{% macro cache_write_price(card, bucket, model) %}
    coalesce(
        ({{ card }} ->> '{{ bucket }}')::numeric,
        case
            when {{ model }} like '%claude%'
                then {{ 2 if bucket == 'cache_write_1h' else 1.25 }} * ({{ card }} ->> 'input_uncached')::numeric
        end
    )
{% endmacro %}


{# The price per million of image input: the card's own, else that of the model's input. #}
{% macro image_input_price(card) -%}
    coalesce(({{ card }} ->> 'input_image')::numeric, ({{ card }} ->> 'input_uncached')::numeric)
{%- endmacro %}


{#
  A model as invoices and calls both name it: without its path, case, date or revision at the end. Providers bill
  `gpt-4o-2024-08-06` for what was asked for as `gpt-4o`.
#}
{% macro billed_model(column) %}
    regexp_replace(
        regexp_replace(lower({{ column }}), '^(publishers/[^/]+/)?models/', ''),
        '([-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{3,4}|latest|default))$',
        ''
    )
{% endmacro %}
