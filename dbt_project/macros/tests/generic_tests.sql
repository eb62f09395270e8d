{# Rows in which a whole is not the sum of its parts. #}
{% test equals_sum(model, total, parts) %}
    select * from {{ model }}
    where {{ total }} is distinct from ({{ parts | join(' + ') }})
{% endtest %}


{# Rows whose value lies outside the closed range; null passes. #}
{% test accepted_range(model, column_name, min_value=none, max_value=none) %}
    select * from {{ model }}
    where false
    {%- if min_value is not none %}
        or {{ column_name }} < {{ min_value }}
    {%- endif %}
    {%- if max_value is not none %}
        or {{ column_name }} > {{ max_value }}
    {%- endif %}
{% endtest %}


{# Rows for which the expression is false; null passes. #}
{% test is_true(model, expression) %}
    select * from {{ model }}
    where not ({{ expression }})
{% endtest %}


{#
  The same of the newest 92 days that an invoice covers: the view compares anew whatever is read of it, and older
  invoices change no more. `windows: all` reads them, too.
#}
{% test is_true_of_newest_invoices(model, expression) %}
    select * from {{ model }}
    where not ({{ expression }})
    {%- if not reads_everything() %}
        and day > (select max(last_day) - 92 from {{ ref('stg_cost__invoices') }} where withdrawn_at is null)
    {%- endif %}
{% endtest %}
