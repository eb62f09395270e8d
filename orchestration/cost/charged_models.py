"""Which models have charges, found by jumping from one to the next in their index: no charge of a model is
read but one a month."""

from typing import LiteralString


def charged_models(start: LiteralString, end: LiteralString) -> LiteralString:
    """The CTE `charged` (provider, model), for `with recursive`: all with charges in the UTC months of these
    times, which are SQL for timestamptz. Whole months, since a jump then never has to look for a time."""
    first = f"date_trunc('month', {start} at time zone 'UTC') at time zone 'UTC'"
    after = f"(date_trunc('month', {end} at time zone 'UTC') + interval '1 month') at time zone 'UTC'"
    within: LiteralString = f"started_at >= {first} and started_at < {after}"
    return f"""charged as (
    (
        select provider, model
        from cost.charges
        where {within}
        order by provider, model
        limit 1
    )
    union all
    select following.provider, following.model
    from charged
    cross join lateral (
        select provider, model
        from cost.charges
        where {within}
          and (charges.provider, charges.model) > (charged.provider, charged.model)
        order by provider, model
        limit 1
    ) as following
)"""
