"""`/alerts/charts/{event_id}`: the picture of an alert, for who has its signed link."""

import asyncio
import time
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath, QueryParameter
from psycopg.sql import SQL

from reports.alerting.chart import ChartData, chart_png
from reports.alerting.figures import figure
from reports.alerting.links import PATH, ChartLinks
from reports.api.warehouse import Warehouse

# Whichever channel it went to: the points are the same.
PAYLOAD = SQL("select payload from alerting.outbox where event_id = %(event_id)s limit 1")


class Point(msgspec.Struct, frozen=True):
    """A step of the chart, as the outbox has it."""

    at: datetime
    value: float | None


class Drawn(msgspec.Struct, frozen=True):
    """What a message of the outbox says of its chart."""

    points: list[Point] = []
    unit: str = "number"
    threshold: float | None = None
    baseline: float | None = None


class PayloadRow(msgspec.Struct, frozen=True):
    """A row of the outbox."""

    payload: dict[str, Any]


@get("/v1" + PATH + "/{event_id:uuid}", opt={"exclude_from_auth": True}, include_in_schema=False)
async def alert_chart(
    state: State,
    event_id: FromPath[UUID],
    until: Annotated[int, QueryParameter(description="When the link ends, in seconds since 1970.")],
    signature: Annotated[str, QueryParameter(max_length=64)],
) -> Response[bytes]:
    """The PNG. No key is asked for: the link is the right, and ends."""
    links: ChartLinks | None = state.chart_links
    if links is None or not links.is_valid(event_id, until=until, signature=signature, now=time.time()):
        raise PermissionDeniedException("this link is not one of ours, or has ended")
    warehouse: Warehouse = state.receipts
    row = await warehouse.row(PayloadRow, PAYLOAD, {"event_id": event_id})
    drawn = msgspec.convert(row.payload, Drawn) if row else Drawn()
    png = await asyncio.to_thread(chart_png, _data(drawn))
    if png is None:
        raise NotFoundException("there is no chart of this event")
    return Response(png, media_type="image/png", headers={"x-content-type-options": "nosniff"})


def _data(drawn: Drawn) -> ChartData:
    return ChartData(
        steps=[(point.at, point.value) for point in drawn.points],
        figure=lambda value: figure(value, drawn.unit),
        threshold=drawn.threshold,
        baseline=drawn.baseline,
    )
