"""The SQL of a metric over a mart: its groups' sums in many windows at once, or by hour or day."""

from collections.abc import Sequence

from orchestration.alerts.definition.model import MartMetric
from orchestration.alerts.reading.columns import Time
from orchestration.alerts.reading.guard import embedded

UNNAMED = "(none)"


def windows_statement(metric: MartMetric, groups: Sequence[str], time: Time | None) -> str:
    """One row a window and group: the window's number from 1, the groups, the four sums."""
    inner = _newest(metric, groups, time) if metric.kind == "last" else _summed(metric, groups, time)
    return f"{_windows(time)} cross join lateral ({inner}) as found"


def series_statement(metric: MartMetric, groups: Sequence[str], time: Time) -> str:
    """One row a group: the numbers of its steps from %(first)s on, and each sum by step, in any order.

    The same order in each array, as all are made of one set of rows; to sort them would be half of the time.
    """
    names = _names(groups)
    listed = ", ".join(
        f"array_agg({name})" for name in ("step", "numerator", "denominator", "squares", "calls")
    )
    by = f"group by {', '.join(names)}" if names else "having count(*) > 0"
    return f"""
select {"".join(f"{name}, " for name in names)}{listed}
from (
    select {_selected(groups)}{_step(time)} as step, {_sums(metric)}
    from marts."{metric.mart}"
    where "{time.name}" >= %(first)s and "{time.name}" < %(last)s{_where(metric)}
    group by {_places(len(groups) + 1)}
) as steps
{by}"""


def buckets_statement(metric: MartMetric, groups: Sequence[str], time: Time) -> str:
    """One row a window and group: the histogram's buckets and their counts."""
    is_hourly = metric.mart == "latency_hourly_histogram"
    source = "cross join unnest(buckets, counts) as cells (cell, cell_calls)" if is_hourly else ""
    cell, calls = ("cell", "cell_calls") if is_hourly else ("bucket", "n_calls")
    names = _names(groups)
    by = f"group by {', '.join(names)}" if names else "having count(*) > 0"
    inner = f"""
select {"".join(f"{name}, " for name in names)}array_agg(cell order by cell), array_agg(calls order by cell)
from (
    select {_selected(groups)}{cell} as cell, sum({calls})::bigint as calls
    from marts."{metric.mart}" {source}
    where {_within(time)}{_where(metric)}
    group by {_places(len(groups) + 1)}
) as cells
{by}"""
    return f"{_windows(time)} cross join lateral ({inner}) as found"


def query_statement(query: str, groups: Sequence[str]) -> str:
    """A rule's own query: the groups, value, n and, where it has them, low and high."""
    named = "".join(f"coalesce(found.\"{name}\"::text, '{UNNAMED}'), " for name in groups)
    return f"""
select {named}found.value::double precision, found.n::bigint,
    (to_jsonb(found) ->> 'low')::double precision, (to_jsonb(found) ->> 'high')::double precision
from ({embedded(query)}) as found"""


def _windows(time: Time | None) -> str:
    array = time.array if time else "timestamptz[]"
    return f"""
select windows.lqo_number, found.*
from unnest(%(starts)s::{array}, %(ends)s::{array}) with ordinality
    as windows (lqo_start, lqo_end, lqo_number)"""


def _summed(metric: MartMetric, groups: Sequence[str], time: Time | None) -> str:
    by = f"group by {_places(len(groups))}" if groups else "having count(*) > 0"
    return f"""
    select {_selected(groups)}{_sums(metric)}
    from marts."{metric.mart}"
    where {_within(time)}{_where(metric)}
    {by}
"""


def _newest(metric: MartMetric, groups: Sequence[str], time: Time | None) -> str:
    """The sums of each group's newest hour or day; of a mart without time, of all its rows."""
    if time is None:
        return _summed(metric, groups, time)
    names = _names(groups)
    keys = f"distinct on ({', '.join(names)}) " if names else ""
    columns = ", ".join((*names, "numerator", "denominator", "squares", "calls"))
    order = ", ".join((*names, "newest desc"))
    return f"""
    select {keys}{columns}
    from (
        select {_selected(groups)}"{time.name}" as newest, {_sums(metric)}
        from marts."{metric.mart}"
        where {_within(time)}{_where(metric)}
        group by {_places(len(groups) + 1)}
    ) as steps
    order by {order}{"" if names else " limit 1"}
"""


def _sums(metric: MartMetric) -> str:
    parts = (
        ("numerator", metric.numerator),
        ("denominator", metric.denominator),
        ("squares", metric.squares),
    )
    listed = [
        f"sum(({embedded(text)}))::double precision as {name}"
        if text
        else f"null::double precision as {name}"
        for name, text in parts
    ]
    count = metric.n or metric.denominator
    return ", ".join([*listed, f"{f'sum(({embedded(count)}))' if count else 'count(*)'}::bigint as calls"])


def _selected(groups: Sequence[str]) -> str:
    return "".join(
        f"coalesce(\"{column}\"::text, '{UNNAMED}') as {name}, "
        for column, name in zip(groups, _names(groups), strict=True)
    )


def _names(groups: Sequence[str]) -> list[str]:
    """Names that no column has, since a group's own name may be one of ours."""
    return [f"lqo_group_{number}" for number in range(len(groups))]


def _places(count: int) -> str:
    return ", ".join(str(number) for number in range(1, count + 1))


def _within(time: Time | None) -> str:
    if time is None:
        return "true"
    return f'"{time.name}" >= windows.lqo_start and "{time.name}" < windows.lqo_end'


def _where(metric: MartMetric) -> str:
    return f" and ({embedded(metric.where)})" if metric.where else ""


def _step(time: Time) -> str:
    if time.is_date:
        return f'("{time.name}" - %(first)s::date)'
    return f'floor(extract(epoch from "{time.name}" - %(first)s::timestamptz) / 3600)::integer'
