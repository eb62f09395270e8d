"""`/alerts/…`: acknowledge, silence and mute, and the silences and mutes that there are."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from litestar import Request, delete, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import ClientException
from litestar.params import JSONBody, PathParameter, QueryParameter
from psycopg.sql import SQL

from ingest.proxy.ports import Caller
from reports.api.alert_port import AcknowledgeWish, Actor, MuteWish, SilenceWish
from reports.api.alert_shapes import Acknowledgement, Mute, Silence
from reports.api.alerting_writer import AlertingWriter
from reports.api.alerts import Group, Rule
from reports.api.doors import refuse_projects
from reports.api.filters import Question
from reports.api.paging import PAGED, Key, Page, Paging, framing, order_of, read_page
from reports.api.problems import ACTION_PROBLEMS, PROBLEMS
from reports.api.warehouse import Warehouse

MOST_BYTES: Final = 64 * 1024
"""Of a request's body: the longest reason is 1,000 characters."""


class Silences(Page, frozen=True, kw_only=True):
    """The answer of `/alerts/silences`."""

    items: list[Silence]


class Mutes(Page, frozen=True, kw_only=True):
    """The answer of `/alerts/mutes`."""

    items: list[Mute]


Which = Annotated[
    Literal["open", "active", "to come", "over", "all"], QueryParameter(description="`open`: not over yet.")
]
_STATES = {
    "open": ["active", "to come"],
    "active": ["active"],
    "to come": ["to come"],
    "over": ["over"],
    "all": None,
}


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
    which: Which = "open",
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
    return Silences(**await framing(marts, paging=paging, cursor=cursor), items=items)


@get(
    "/alerts/mutes",
    summary="Mutes: rules of which nothing is sent; those that are active, or all.",
    dependencies=PAGED,
    responses=PROBLEMS,
)
async def alert_mutes(
    *,
    request: Request[Caller, Any, State],
    paging: NamedDependency[Paging],
    rule: Rule = None,
    which: Which = "open",
) -> Mutes:
    refuse_projects(request.user)
    marts: Warehouse = request.app.state.marts
    asked = (
        Question().where("rule = %(rule)s", rule=rule).where("state = any(%(states)s)", states=_STATES[which])
    )
    keys = (Key("ends_at", "timestamptz"), Key("mute_id", "uuid"))
    items, cursor = await read_page(
        marts,
        Mute,
        SQL("select * from marts.alert_mutes where {asked}").format(asked=asked.all()),
        asked.values,
        order=order_of("-ends_at", {"ends_at": keys}, question=asked.values),
        paging=paging,
    )
    return Mutes(**await framing(marts, paging=paging, cursor=cursor), items=items)


@post(
    "/alerts/{fingerprint:str}/acknowledge",
    summary="Take an alert on that fires: until it ends it is yours. Again changes nothing.",
    status_code=200,
    request_max_body_size=MOST_BYTES,
    responses=ACTION_PROBLEMS,
)
async def acknowledge_alert(
    *,
    request: Request[Caller, Any, State],
    fingerprint: Annotated[str, PathParameter(description="The alert's fingerprint, of 16 hex digits.")],
    data: JSONBody[AcknowledgeWish | None] = None,
) -> Acknowledgement:
    data = data or AcknowledgeWish()
    by, writer = _actor(request.user, by=data.by), AlertingWriter.of(request)
    return await writer.run(
        lambda connection: writer.actions.acknowledge(connection, fingerprint, wish=data, by=by)
    )


@post(
    "/alerts/silences",
    summary="Hold messages of alerts back until a time, and send them then. The same again moves the end.",
    status_code=200,
    request_max_body_size=MOST_BYTES,
    responses=ACTION_PROBLEMS,
)
async def silence_alerts(*, request: Request[Caller, Any, State], data: JSONBody[SilenceWish]) -> Silence:
    by, writer = _actor(request.user, by=data.by), AlertingWriter.of(request)
    return await writer.run(lambda connection: writer.actions.silence(connection, data, by=by))


@delete(
    "/alerts/silences/{silence_id:uuid}",
    summary="End a silence now; what it held back is sent. Again changes nothing.",
    responses=ACTION_PROBLEMS,
)
async def unsilence_alerts(
    *,
    request: Request[Caller, Any, State],
    silence_id: Annotated[UUID, PathParameter(description="The silence's id.")],
) -> None:
    by, writer = _actor(request.user, by=None), AlertingWriter.of(request)
    await writer.run(lambda connection: writer.actions.end_silence(connection, silence_id, by=by))


@post(
    "/alerts/mutes",
    summary="Send nothing of a rule until a time, nor afterwards what it said until then.",
    status_code=200,
    request_max_body_size=MOST_BYTES,
    responses=ACTION_PROBLEMS,
)
async def mute_rule(*, request: Request[Caller, Any, State], data: JSONBody[MuteWish]) -> Mute:
    by, writer = _actor(request.user, by=data.by), AlertingWriter.of(request)
    return await writer.run(lambda connection: writer.actions.mute(connection, data, by=by))


@delete(
    "/alerts/mutes/{mute_id:uuid}",
    summary="Let a rule be heard from now on. Again changes nothing.",
    responses=ACTION_PROBLEMS,
)
async def unmute_rule(
    *,
    request: Request[Caller, Any, State],
    mute_id: Annotated[UUID, PathParameter(description="The mute's id.")],
) -> None:
    by, writer = _actor(request.user, by=None), AlertingWriter.of(request)
    await writer.run(lambda connection: writer.actions.end_mute(connection, mute_id, by=by))


def _actor(caller: Caller, *, by: str | None) -> Actor:
    """Who acts: the owner of the key, or whom a program on this machine names.

    Raises PermissionDeniedException for a key of one project, ClientException for a key that names another.
    """
    refuse_projects(caller)
    if caller.owner is None:
        return Actor("local" if by is None else by, key_id=None)
    if by is not None:
        raise ClientException("by: the key says who asks; leave it out")
    return Actor(caller.owner, key_id=caller.key_id)
