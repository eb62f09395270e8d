"""`/alerts` and `/alerts/history`: what fires now, and what did."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from psycopg.sql import SQL

from ingest.proxy.ports import Caller
from reports.api.alert_shapes import Alert
from reports.api.doors import refuse_projects
from reports.api.filters import LONGEST, Question
from reports.api.paging import PAGED, Key, Page, Paging, framing, order_of, read_page
from reports.api.problems import PROBLEMS
from reports.api.spans import BY_MONTH, Span
from reports.api.warehouse import Warehouse


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event, as `marts.alert_history` has it. `ended_at` null: the alert lasts, or was none.

    `fingerprint` is the same for all events of a rule and group; null for events of before there were any.
    """

    event_id: UUID
    fingerprint: str | None
    happened_at: datetime
    rule: str
    group_key: str
    transition: str
    severity: str
    owner: str | None
    labels: dict[str, str]
    source: str
    value: float | None
    threshold: float | None
    n: int | None
    message: str
    ended_at: datetime | None
    lasted_seconds: float | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    was_silenced: bool
    was_muted: bool
    n_messages: int
    n_sent: int
    first_sent_at: datetime | None


class Alerts(Page, frozen=True, kw_only=True):
    """The answer of `/alerts`."""

    items: list[Alert]


class AlertHistory(Page, frozen=True, kw_only=True):
    """The answer of `/alerts/history`."""

    start: datetime
    end: datetime
    items: list[AlertEvent]


Rule = Annotated[str | None, QueryParameter(description="Only this alert rule.", max_length=LONGEST)]
Group = Annotated[str | None, QueryParameter(description="Only this group, as a model.", max_length=LONGEST)]
Owner = Annotated[str | None, QueryParameter(description="Only alerts of this owner.", max_length=LONGEST)]
Severity = Annotated[
    Literal["critical", "warning", "info"] | None, QueryParameter(description="Only this severity.")
]

COLUMNS = SQL(", ").join([SQL(name) for name in Alert.__struct_fields__])  # pyright: ignore[reportArgumentType]
_STATES = {
    "open": ["firing", "pending"],
    "firing": ["firing"],
    "pending": ["pending"],
    "resolved": ["resolved"],
    "all": None,
}


@get(
    "/alerts",
    summary="Alerts that fire now or are about to: since when, how bad, whose, who has taken them on.",
    dependencies=PAGED,
    responses=PROBLEMS,
)
async def alerts(
    *,
    request: Request[Caller, Any, State],
    paging: NamedDependency[Paging],
    which: Annotated[
        Literal["open", "firing", "pending", "resolved", "all"],
        QueryParameter(description="`open`: firing, or about to."),
    ] = "open",
    rule: Rule = None,
    group: Group = None,
    severity: Severity = None,
    owner: Owner = None,
    acknowledged: Annotated[
        bool | None, QueryParameter(description="Only alerts that somebody has taken on, or only the others.")
    ] = None,
    sort: Annotated[
        Literal["-since", "since"], QueryParameter(description="Newest or oldest first.")
    ] = "-since",
) -> Alerts:
    refuse_projects(request.user)
    marts: Warehouse = request.app.state.marts
    asked = (
        Question()
        .where("state = any(%(states)s)", states=_STATES[which])
        .where("rule = %(rule)s", rule=rule)
        .where("group_key = %(group)s", group=group)
        .where("severity = %(severity)s", severity=severity)
        .where("owner = %(owner)s", owner=owner)
        .where("(acknowledged_at is not null) = %(acknowledged)s", acknowledged=acknowledged)
    )
    keys = (Key("since", "timestamptz"), Key("rule", "text"), Key("group_key", "text"))
    items, cursor = await read_page(
        marts,
        Alert,
        SQL("select {columns} from marts.alert_states where {asked}").format(
            columns=COLUMNS, asked=asked.all()
        ),
        asked.values,
        order=order_of(sort, {"since": keys}, question=asked.values),
        paging=paging,
    )
    return Alerts(**await framing(marts, paging=paging, cursor=cursor), items=items)


@get(
    "/alerts/history",
    summary="Alerts that began and ended, changes of evaluators, reports; and their messages.",
    dependencies=BY_MONTH,
    responses=PROBLEMS,
)
async def alert_history(
    *,
    request: Request[Caller, Any, State],
    span: NamedDependency[Span],
    paging: NamedDependency[Paging],
    rule: Rule = None,
    group: Group = None,
    fingerprint: Annotated[
        str | None, QueryParameter(description="Only events of this alert.", max_length=LONGEST)
    ] = None,
    transition: Annotated[
        Literal["firing", "resolved", "changed", "report"] | None,
        QueryParameter(description="Only such events."),
    ] = None,
    severity: Severity = None,
    owner: Owner = None,
    sort: Annotated[
        Literal["-happened_at", "happened_at"], QueryParameter(description="Newest or oldest first.")
    ] = "-happened_at",
) -> AlertHistory:
    refuse_projects(request.user)
    marts: Warehouse = request.app.state.marts
    asked = (
        Question()
        .where("rule = %(rule)s", rule=rule)
        .where("group_key = %(group)s", group=group)
        .where("fingerprint = %(fingerprint)s", fingerprint=fingerprint)
        .where("transition = %(transition)s", transition=transition)
        .where("severity = %(severity)s", severity=severity)
        .where("owner = %(owner)s", owner=owner)
    )
    keys = (Key("happened_at", "timestamptz"), Key("event_id", "uuid"))
    select = SQL(
        "select {columns} from marts.alert_history"
        " where happened_at >= %(start)s and happened_at < %(end)s and {asked}"
    ).format(columns=_EVENT_COLUMNS, asked=asked.all())
    items, cursor = await read_page(
        marts,
        AlertEvent,
        select,
        {**asked.values, "start": span.start, "end": span.end},
        order=order_of(sort, {"happened_at": keys}, question=asked.values),
        paging=paging,
    )
    return AlertHistory(
        **await framing(marts, paging=paging, cursor=cursor), start=span.start, end=span.end, items=items
    )


_EVENT_COLUMNS = SQL(", ").join([SQL(name) for name in AlertEvent.__struct_fields__])  # pyright: ignore[reportArgumentType]
