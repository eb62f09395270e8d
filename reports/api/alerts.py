"""`/alerts/history` and `/alerts/silences`."""

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
from reports.api.doors import refuse_projects
from reports.api.filters import LONGEST, Question
from reports.api.paging import PAGED, Key, Page, Paging, framing, order_of, read_page
from reports.api.problems import PROBLEMS
from reports.api.spans import BY_MONTH, Span
from reports.api.warehouse import Warehouse


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event, as `marts.alert_history` has it. `ended_at` null: the alert lasts, or was none."""

    event_id: UUID
    happened_at: datetime
    rule: str
    group_key: str
    transition: str
    severity: str
    value: float | None
    threshold: float | None
    n: int | None
    message: str
    ended_at: datetime | None
    lasted_seconds: float | None
    was_silenced: bool
    n_messages: int
    n_sent: int
    first_sent_at: datetime | None


class AlertHistory(Page, frozen=True, kw_only=True):
    """The answer of `/alerts/history`."""

    start: datetime
    end: datetime
    items: list[AlertEvent]


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """A silence, as `marts.alert_silences` has it; `*` stands for every rule or group."""

    silence_id: UUID
    rule: str
    group_key: str
    starts_at: datetime
    ends_at: datetime
    state: str
    reason: str
    created_by: str
    created_at: datetime


class Silences(Page, frozen=True, kw_only=True):
    """The answer of `/alerts/silences`."""

    items: list[Silence]


Rule = Annotated[str | None, QueryParameter(description="Only this alert rule.", max_length=LONGEST)]
Group = Annotated[str | None, QueryParameter(description="Only this group, as a model.", max_length=LONGEST)]


@get(
    "/alerts/history",
    summary="Alerts that began and ended, changes of evaluators, reports; and what became of their messages.",
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
    transition: Annotated[
        Literal["firing", "resolved", "changed", "report"] | None,
        QueryParameter(description="Only such events."),
    ] = None,
    severity: Annotated[
        Literal["critical", "warning", "info"] | None, QueryParameter(description="Only this severity.")
    ] = None,
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
        .where("transition = %(transition)s", transition=transition)
        .where("severity = %(severity)s", severity=severity)
    )
    keys = (Key("happened_at", "timestamptz"), Key("event_id", "uuid"))
    select = SQL(
        "select * from marts.alert_history"
        " where happened_at >= %(start)s and happened_at < %(end)s and {asked}"
    ).format(asked=asked.all())
    items, cursor = await read_page(
        marts,
        AlertEvent,
        select,
        {**asked.values, "start": span.start, "end": span.end},
        order=order_of(sort, {"happened_at": keys}, question=asked.values),
        paging=paging,
    )
    return AlertHistory(
        **await framing(marts, paging=paging, cursor=cursor),
        start=span.start,
        end=span.end,
        items=items,
    )


@get(
    "/alerts/silences",
    summary="Silences that hold messages of alerts back; those that are active or to come, or all.",
    dependencies=PAGED,
    responses=PROBLEMS,
)
async def alert_silences(
    *,
    request: Request[Caller, Any, State],
    paging: NamedDependency[Paging],
    rule: Rule = None,
    group: Group = None,
    which: Annotated[
        Literal["open", "active", "to come", "over", "all"],
        QueryParameter(description="`open`: not over yet."),
    ] = "open",
) -> Silences:
    refuse_projects(request.user)
    marts: Warehouse = request.app.state.marts
    asked = (
        Question()
        .where("rule = %(rule)s", rule=rule)
        .where("group_key = %(group)s", group=group)
        .where("state = any(%(states)s)", states=_STATES[which])
    )
    keys = (Key("ends_at", "timestamptz"), Key("silence_id", "uuid"))
    items, cursor = await read_page(
        marts,
        Silence,
        SQL("select * from marts.alert_silences where {asked}").format(asked=asked.all()),
        asked.values,
        order=order_of("-ends_at", {"ends_at": keys}, question=asked.values),
        paging=paging,
    )
    return Silences(
        **await framing(marts, paging=paging, cursor=cursor),
        items=items,
    )


_STATES = {
    "open": ["active", "to come"],
    "active": ["active"],
    "to come": ["to come"],
    "over": ["over"],
    "all": None,
}
