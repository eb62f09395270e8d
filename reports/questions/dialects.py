"""The marks of a question as Grafana and as Metabase write them."""

_FROM, _TO = "$__timeFrom()::timestamptz", "$__timeTo()::timestamptz"
# At most this much is read from hourly marts: 90 days of them would be too slow for a page.
_SHORT = f"{_TO} - {_FROM} <= interval '4 days'"
_CHOSEN_GRAIN = "${grain:sqlstring}"

_GRAFANA = {
    "since": f"date_trunc('hour', {_FROM}, 'UTC')",
    "until": _TO,
    "since_day": f"({_FROM} at time zone 'UTC')::date",
    # A span that ends at midnight has nothing of the day that begins then.
    "until_day": f"(({_TO} - interval '1 ms') at time zone 'UTC')::date",
    "use_hours": f"({_CHOSEN_GRAIN} = 'auto' and {_SHORT})",
    "grain": (
        f"case when {_CHOSEN_GRAIN} <> 'auto' then {_CHOSEN_GRAIN} when {_SHORT} then 'hour' else 'day' end"
    ),
    "call_id": "${call_id:sqlstring}",
}

# A clause in [[ ]] is left out where its tag is not filled in: without dates, the last 30 days.
_TODAY = "(now() at time zone 'UTC')::date"
_SINCE_DAY = f"coalesce([[{{{{since}}}}::date, ]]{_TODAY} - 29)"
_UNTIL_DAY = f"coalesce([[{{{{until}}}}::date, ]]{_TODAY})"
_METABASE_SHORT = f"{_UNTIL_DAY} - {_SINCE_DAY} < 4"
_METABASE_GRAIN = "coalesce([[{{grain}}, ]]'auto')"

_METABASE = {
    "since": f"({_SINCE_DAY}::timestamp at time zone 'UTC')",
    "until": f"(({_UNTIL_DAY} + 1)::timestamp at time zone 'UTC')",
    "since_day": _SINCE_DAY,
    "until_day": _UNTIL_DAY,
    "use_hours": f"({_METABASE_GRAIN} = 'auto' and {_METABASE_SHORT})",
    "grain": (
        f"case when {_METABASE_GRAIN} <> 'auto' then {_METABASE_GRAIN} "
        f"when {_METABASE_SHORT} then 'hour' else 'day' end"
    ),
    "call_id": "coalesce([[{{call_id}}, ]]'')",
}


def grafana(mark: str, *, column: str) -> str:
    """With Grafana's macros and variables. "All" comes as `'*'`, so a new model needs no new list."""
    if mark == "in":
        chosen = f"(${{{column}:sqlstring}})"
        return f"('*' in {chosen} or {column} in {chosen})"
    return _GRAFANA[mark]


def metabase(mark: str, *, column: str) -> str:
    """With Metabase's tags, all of them optional."""
    if mark == "in":
        return f"(true [[and {column} = {{{{{column}}}}}]])"
    return _METABASE[mark]
