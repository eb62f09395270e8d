"""The analytics API: marts, the receipt of a call, and what people do about alerts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, Router, get
from litestar.config.compression import CompressionConfig
from litestar.middleware import DefineMiddleware
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from reports.alerting.links import ChartLinks
from reports.api.alert_actions import (
    acknowledge_alert,
    alert_mutes,
    alert_silences,
    mute_rule,
    silence_alerts,
    unmute_rule,
    unsilence_alerts,
)
from reports.api.alerting_writer import AlertingWriter
from reports.api.alertmanager import alertmanager_webhook
from reports.api.alerts import alert_history, alerts
from reports.api.calls import calls
from reports.api.charts import alert_chart
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
from reports.api.whatif import what_if
from reports.metrics.exporter import Exporter
from reports.metrics.page import metrics_page

ENDPOINTS = (
    trends,
    compare_models,
    compare_pairs,
    costs,
    what_if,
    users,
    prompts,
    alerts,
    alert_history,
    alert_silences,
    alert_mutes,
    acknowledge_alert,
    silence_alerts,
    unsilence_alerts,
    mute_rule,
    unmute_rule,
    alertmanager_webhook,
    calls,
    receipt,
)


def build_app(
    *,
    marts: str,
    receipts: str,
    gate: Gate,
    alerting: AlertingWriter | None = None,
    scheduler: str | None = None,
    webhook_token: str | None = None,
    charts: ChartLinks | None = None,
) -> Litestar:
    """The API over the warehouse, each path under `/v1` and without it.

    `marts` is the conninfo of a login that may read marts, `receipts` of one that may read everything of a
    call, which is asked for by id. `gate` says who may come in. `alerting` writes what is said of alerts;
    without it that is refused. `scheduler` is Dagster's own database, for
    the page of metrics; `webhook_token` says where the secret of Alertmanager's webhook is (env:NAME or
    file:/path). `charts` checks the links by which a chat fetches the picture of an alert.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.marts = Warehouse(marts, name="lqo api (marts)")
        app.state.receipts = Warehouse(receipts, name="lqo api (receipts)")
        app.state.doors = gate.doors
        app.state.chart_links = charts
        app.state.alerting = alerting
        app.state.exporter = Exporter(warehouse=receipts, scheduler=scheduler)
        app.state.webhook_token = webhook_token
        async with gate.opened(), app.state.marts.opened(), app.state.receipts.opened():
            yield

    return Litestar(
        route_handlers=[
            healthz,
            metrics_page,
            alert_chart,
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
