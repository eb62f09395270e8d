"""`lqo up`, `loader`, `api`: the long-running parts."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.commands.errors import UserError
from orchestration.commands.logs import logs_or_exit
from orchestration.commands.options import Host, Upstream, Workers
from orchestration.commands.proxy import OPENAI
from orchestration.commands.warehouse import open_database, settings_or_exit
from orchestration.supervisor import Part, PartFailedError, Supervisor

if TYPE_CHECKING:
    from ingest.loading.metrics import LoaderMetrics

PROXY_GRACE = 15
"""Less than the 20 s after which the supervisor kills."""
LANDING_SECONDS = 10.0
"""What the last calls get to land before the database stops; the next start goes on with the others."""


def up(
    *,
    host: Host = "127.0.0.1",
    proxy_port: Annotated[int, typer.Option(help="Port of the proxy; the next free one if taken.")] = 8080,
    dagster_port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    api_port: Annotated[int, typer.Option(help="Port of the analytics API.")] = 8081,
    loader_port: Annotated[int, typer.Option(help="Port of the loader's metrics.")] = 8082,
    upstream: Upstream = OPENAI,
    workers: Workers = 1,
) -> None:
    """Run the whole local stack in the foreground; Ctrl-C stops all of it."""
    from ingest.database.sibling import dagster_database
    from orchestration.dbt import ensure_manifest, ensure_views
    from orchestration.instance import prepare_instance

    settings = settings_or_exit()
    os.environ["LQO_HOME"] = str(settings.home)
    with open_database(settings) as url:
        typer.echo("database ready; preparing dbt and Dagster", err=True)
        ensure_manifest(settings)
        ensure_views(settings, url)
        instance_env = prepare_instance(settings, dagster_database(settings, url))
        ports = [_free_port(host, port) for port in (proxy_port, dagster_port, api_port, loader_port)]
        options = ["--upstream", upstream, "--workers", str(workers), "--grace", str(PROXY_GRACE)]
        parts = _parts(settings, host=host, ports=ports, proxy=options, dagster_env=instance_env)
        supervisor = Supervisor(parts, logs=settings.home / "logs")
        supervisor.heed_signals()
        try:
            supervisor.start(on_ready=_say_ready)
            typer.echo(f"logs in {settings.home / 'logs'}; Ctrl-C stops everything")
            supervisor.watch(on_restart=_say_restart)
        except PartFailedError as error:
            raise UserError(str(error)) from error
        finally:
            typer.echo("stopping", err=True)
            supervisor.stop()
            _land_the_rest(settings, url)


def loader(
    replay: Annotated[bool, typer.Option("--replay", help="Read every segment on disk again.")] = False,
    adopt: Annotated[Path | None, typer.Option(help="Drain the spool that another machine left.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when the spool is drained.")] = False,
    metrics_host: Annotated[str, typer.Option(help="Address of its metrics.")] = "127.0.0.1",
    metrics_port: Annotated[
        int | None, typer.Option(help="Port of its metrics; none by default.", min=0, max=65535)
    ] = None,
) -> None:
    """Load the proxy's spool into the warehouse; waits for a database that is down."""
    from ingest.loader import LoaderError, run_loader
    from ingest.loading.metrics import LoaderMetrics

    if adopt is not None and not adopt.is_dir():
        raise UserError(f"there is no folder {adopt}", code=2)
    settings = settings_or_exit()
    logs_or_exit()
    stop = threading.Event()
    stop_on_signal(stop)
    metrics = LoaderMetrics()
    with metrics_of(metrics, host=metrics_host, port=metrics_port), open_database(settings) as url:
        try:
            result = run_loader(
                settings,
                url,
                once=once or adopt is not None,
                replay=replay,
                adopt=adopt,
                stop=stop,
                metrics=metrics,
            )
        except LoaderError as error:
            raise UserError(str(error)) from error
    typer.echo(f"loader stopped: {result}", err=True)


def api(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8081,
) -> None:
    """Run the analytics API alone. It asks for keys with LQO_AUTH=keys, and beyond this machine always."""
    import uvicorn

    from ingest.database.embedded import reader_url
    from ingest.database.sibling import dagster_database_name
    from orchestration.alerts.actions.serving import alerting_writer
    from reports.alerting.links import chart_links
    from reports.api.app import build_app
    from reports.api.doors import build_gate

    settings = settings_or_exit()
    with open_database(settings) as url:
        app = build_app(
            marts=reader_url(settings, url).psycopg(),
            receipts=url.psycopg(),
            gate=build_gate(settings, host=host),
            alerting=alerting_writer(settings, url),
            scheduler=url.with_database(dagster_database_name(settings, url)).psycopg(),
            webhook_token=os.environ.get("LQO_ALERTMANAGER_TOKEN"),
            charts=chart_links(settings.home),
        )
        uvicorn.run(app, host=host, port=port, log_level="warning")


def _parts(
    settings: Settings, *, host: str, ports: list[int], proxy: list[str], dagster_env: dict[str, str]
) -> list[Part]:
    proxy_port, dagster_port, api_port, loader_port = ports
    bin_dir, home = Path(sys.executable).parent, settings.dagster
    lqo = [sys.executable, "-m", "orchestration"]
    workspace = str(home / "workspace.yaml")
    address, ui, analytics = (f"http://{host}:{port}" for port in ports[:3])
    return [
        Part(
            "proxy",
            [*lqo, "proxy", "--host", host, "--port", str(proxy_port), *proxy],
            url=f"{address}/v1",
            ready_url=f"{address}/healthz",
        ),
        Part("loader", [*lqo, "loader", "--metrics-host", host, "--metrics-port", str(loader_port)]),
        Part(
            "api",
            [*lqo, "api", "--host", host, "--port", str(api_port)],
            url=f"{analytics}/schema",
            ready_url=f"{analytics}/healthz",
        ),
        Part("sender", [*lqo, "sender"]),
        Part("dagster-daemon", [str(bin_dir / "dagster-daemon"), "run", "-w", workspace], env=dagster_env),
        Part(
            "dagster-webserver",
            [str(bin_dir / "dagster-webserver"), "-h", host, "-p", str(dagster_port), "-w", workspace],
            url=ui,
            ready_url=f"{ui}/server_info",
            env=dagster_env,
        ),
    ]


@contextmanager
def metrics_of(metrics: "LoaderMetrics", *, host: str, port: int | None) -> Iterator[None]:
    """Serve the loader's metrics, where a port is given. Calls land without them where it is taken."""
    from ingest.loading.metrics import served

    with ExitStack() as stack:
        if port is not None:
            try:
                bound = stack.enter_context(served(metrics, host=host, port=port))
                typer.echo(f"metrics on http://{host}:{bound}/metrics", err=True)
            except OSError as error:
                typer.echo(f"lqo: no metrics on {host}:{port}: {error.strerror}; loading without", err=True)
        yield


def _land_the_rest(settings: Settings, url: DatabaseUrl) -> None:
    """The calls that ended while all stopped: left in the spool, they would hold their day open overnight."""
    from ingest.loader import LoaderError, run_loader

    stop = threading.Event()
    timer = threading.Timer(LANDING_SECONDS, stop.set)
    timer.start()
    try:
        run_loader(settings, url, once=True, stop=stop)
    except LoaderError as error:
        typer.echo(f"the spool keeps its last calls: {error}", err=True)
    finally:
        timer.cancel()


def _free_port(host: str, wanted: int) -> int:
    """`wanted`, or the next free port among the hundred above it."""
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise UserError(f"no free port from {wanted} to {wanted + 99}")


def _say_ready(part: Part) -> None:
    typer.echo(f"{part.name:<18} {part.url or 'running'}")


def _say_restart(part: Part, code: int) -> None:
    typer.echo(f"{part.name} ended with status {code}; starting it again", err=True)


def stop_on_signal(stop: threading.Event) -> None:
    """SIGINT and SIGTERM set `stop`."""

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
