"""The analytics API: marts, and the receipt of a call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, Router, get
from litestar.config.compression import CompressionConfig
from litestar.middleware import DefineMiddleware
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from reports.api.alerts import alert_history, alert_silences
from reports.api.calls import calls
from reports.api.comparison import compare_models, compare_pairs
from reports.api.costs import costs
from reports.api.doors import Gate, Keeper
from reports.api.etag import TaggedResponse
from reports.api.filters import refuse_unknown
from reports.api.problems import HANDLERS
from reports.api.prompts import prompts
from reports.api.receipt import receipt
from reports.api.trends import trends
from reports.api.users import users
from reports.api.warehouse import Warehouse

ENDPOINTS = (
    trends,
    compare_models,
    compare_pairs,
    costs,
    users,
    prompts,
    alert_history,
    alert_silences,
    calls,
    receipt,
)


def build_app(*, marts: str, receipts: str, gate: Gate) -> Litestar:
    """The API over the warehouse, each path under `/v1` and without it.

    `marts` is the conninfo of a login that may read marts, `receipts` of one that may read everything of a
    call, which is asked for by id. `gate` says who may come in.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.marts = Warehouse(marts, name="lqo api (marts)")
        app.state.receipts = Warehouse(receipts, name="lqo api (receipts)")
        app.state.doors = gate.doors
        async with gate.opened(), app.state.marts.opened(), app.state.receipts.opened():
            yield

    return Litestar(
        route_handlers=[
            healthz,
            *(Router(path, route_handlers=list(ENDPOINTS), guards=[refuse_unknown]) for path in ("/", "/v1")),
        ],
        lifespan=[lifespan],
        middleware=[DefineMiddleware(Keeper, exclude="^/schema")],
        response_class=TaggedResponse,
        exception_handlers=HANDLERS,
        # Level 3: half the time of the default 9 on a page of a thousand rows, and 5 % more bytes.
        compression_config=CompressionConfig(backend="gzip", gzip_compress_level=3),
        openapi_config=_openapi(),
        logging_config=None,
        debug=False,
    )


@get(
    "/healthz", summary="Is the process alive? Says nothing of the database.", opt={"exclude_from_auth": True}
)
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


def _openapi() -> OpenAPIConfig:
    """Documents alone: pages that show them would load their scripts from elsewhere."""
    key = SecurityScheme(
        type="http", scheme="bearer", description="A key of the proxy, from `lqo keys create`."
    )
    return OpenAPIConfig(
        title="LLM Quality Observer analytics",
        version="1",
        path="/schema",
        description="Pages carry `next_cursor`; errors are `application/problem+json`. Times are UTC.",
        components=Components(security_schemes={"key": key}),
        security=[{"key": []}, {}],
        render_plugins=[JsonRenderPlugin(), YamlRenderPlugin()],
    )
