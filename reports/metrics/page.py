"""`GET /metrics` of the API's process."""

from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State

from reports.metrics.exporter import CONTENT_TYPE, Exporter


@get("/metrics", include_in_schema=False, opt={"exclude_from_auth": True})
async def metrics_page(*, request: Request[Any, Any, State]) -> Response[bytes]:
    """As the proxy's own page, it asks for no key and names nobody: keep its port inside."""
    exporter: Exporter = request.app.state.exporter
    return Response(await exporter.page(), media_type=CONTENT_TYPE)
