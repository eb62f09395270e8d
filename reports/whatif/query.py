"""The one query: a UTC day's recorded attempts, added up where each candidate has the same rates for them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, LiteralString

from psycopg.sql import SQL, Composed

from evaluators.usage import BUCKETS, INPUT_BUCKETS
from ingest.landing.stated_tier import stated_tier
from reports.whatif.classes import Edges
from reports.whatif.fine import Rates, rounded_sql
from reports.whatif.question import Question, Traffic

_FILTERS: Final[dict[str, LiteralString]] = {
    "purposes": "calls.purpose",
    "projects": "coalesce(calls.project, '(none)')",
    "environments": "coalesce(calls.environment, '(none)')",
    "keys": "coalesce(calls.key_id, '(none)')",
    "prompts": "coalesce(calls.prompt_name, '(none)')",
    "prompt_versions": "coalesce(calls.prompt_version, '(none)')",
    "providers": "coalesce(charges.provider, calls.provider)",
    "models": "coalesce(charges.model, calls.served_model, calls.requested_model)",
}
_IMAGES: Final = ("input_image", "output_image")
_NAMES: Final[dict[str, LiteralString]] = {
    "project": _FILTERS["projects"],
    "environment": _FILTERS["environments"],
    "key": _FILTERS["keys"],
    "prompt": _FILTERS["prompts"],
    "prompt_version": _FILTERS["prompt_versions"],
    "purpose": _FILTERS["purposes"],
    "provider": _FILTERS["providers"],
    "model": _FILTERS["models"],
}

# What a call says of its tier: inside its usage, and beside it, as charging reads it.
_USAGE: LiteralString = (
    "coalesce(nullif(calls.attempts -> charges.attempt::integer -> 'usage', 'null'), calls.usage)"
)
_SAID: LiteralString = f"""
jsonb_strip_nulls(jsonb_build_object(
    'service_tier', {_USAGE} -> 'service_tier', 'serviceTier', {_USAGE} -> 'serviceTier',
    'trafficType', {_USAGE} -> 'trafficType', 'speed', {_USAGE} -> 'speed',
    'inference_geo', {_USAGE} -> 'inference_geo'
))
"""

# Calls lead, so that one without a charge is seen. The tier is that of the price rows used; a charge without
# any cost nothing or has no price, and says itself what tier it had. width_bucket numbers the stretches
# between edges.
_QUERY: Final = """
with attempts as (
    select
        {names} as names,
        {provider} as provider,
        {model} as model,
        charged.tier,
        case when charged.tier is null then {said} end as said,
        case when charged.tier is null then {stated} end as stated,
        case when charges.call_id is null then 'not_charged_yet' else charges.unpriced_reason end as reason,
        calls.started_at,
        {input_total} as input_tokens,
        {counts},
        charges.amount_usd
    from raw.llm_calls as calls
    left join cost.charges
        on charges.started_at = calls.started_at
        and charges.call_id = calls.call_id
        and charges.started_at >= %(start)s
        and charges.started_at < %(end)s
    left join cost.prices on prices.id = charges.price_row_ids[1]
    cross join lateral (
        select coalesce(
            split_part(prices.service_tier, '@', 1),
            substring(charges.unpriced_reason from '^unpriced_service_tier:(.+)$')
        ) as tier
    ) as charged
    where calls.started_at >= %(start)s and calls.started_at < %(end)s and {filters}
)
select
    names,
    provider,
    model,
    tier,
    said,
    stated,
    reason,
    min((extract(epoch from started_at) * 1000000)::bigint) as at_us,
    coalesce(min(input_tokens), 0) as input_tokens,
    count(*) as n,
    {rounded} as rounded,
    {sums},
    sum(amount_usd) as actual_usd
from attempts
group by
    names, provider, model, tier, said, stated, reason,
    width_bucket(started_at, %(times)s::timestamptz[]),
    width_bucket(input_tokens, %(inputs)s::bigint[]),
    {told_apart}
"""


def select_groups(question: Question, *, fine: Sequence[Rates] = ()) -> Composed:
    """The query; `rounded` is an array of what a group costs at each of `fine`, remainders of rates."""
    by = [_NAMES[name] for name in question.by if name in _NAMES]
    # Charges of before images were counted hold null there; one that counted nothing does so elsewhere, too.
    columns = {
        name: f"coalesce(charges.{name}, 0)" if name in _IMAGES else f"charges.{name}" for name in BUCKETS
    }
    sums = [f"sum({name})::bigint as {name}" for name in BUCKETS]
    # One bit for each kind of token that an attempt has: one without a price must not hide behind others.
    bits = [f"({name} > 0)::integer * {1 << bit}" for bit, name in enumerate(BUCKETS)]
    rounded = [f"sum({rounded_sql(rates)})" for rates in fine]
    return SQL(_QUERY).format(
        names=SQL("array[" + ", ".join(by) + "]::text[]"),  # pyright: ignore[reportArgumentType]
        provider=SQL(_FILTERS["providers"]),
        model=SQL(_FILTERS["models"]),
        input_total=SQL(" + ".join(columns[name] for name in INPUT_BUCKETS)),  # pyright: ignore[reportArgumentType]
        counts=SQL(", ".join(f"{column} as {name}" for name, column in columns.items())),  # pyright: ignore[reportArgumentType]
        said=SQL(_SAID),
        stated=SQL(stated_tier()),
        filters=_filters(question.traffic),
        rounded=SQL("array[" + ", ".join(rounded) + "]::bigint[]"),  # pyright: ignore[reportArgumentType]
        sums=SQL(", ".join(sums)),  # pyright: ignore[reportArgumentType]
        told_apart=SQL(" + ".join(bits)),  # pyright: ignore[reportArgumentType]
    )


def values_of(question: Question, day: date, *, edges: Edges) -> dict[str, Any]:
    """What the query's placeholders stand for on a day."""
    start = datetime.combine(day, time(), tzinfo=UTC)
    given: dict[str, Sequence[str]] = {name: getattr(question.traffic, name) for name in _FILTERS}
    return {
        "start": start,
        "end": start + timedelta(days=1),
        "times": edges.within(day, terms=question.terms),
        "inputs": list(edges.inputs),
        **{name: list(values) for name, values in given.items() if values},
    }


def _filters(traffic: Traffic) -> Composed:
    asked = [
        SQL(column + " = any(%(" + name + ")s)")  # pyright: ignore[reportArgumentType]
        for name, column in _FILTERS.items()
        if getattr(traffic, name)
    ]
    return SQL(" and ").join(asked or [SQL("true")])
