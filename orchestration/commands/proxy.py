"""`lqo proxy`: the ingest proxy alone."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import typer

from ingest.settings import Auth, Durability, Settings
from orchestration.commands.errors import UserError
from orchestration.commands.logs import logs_or_exit
from orchestration.commands.options import Host, Upstream, Workers
from orchestration.commands.warehouse import settings_or_exit

OPENAI = "https://api.openai.com"


def proxy(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8080,
    upstream: Upstream = OPENAI,
    workers: Workers = 1,
    auth: Annotated[
        Auth | None, typer.Option(help="Whose keys callers bring. [env var: LQO_AUTH; default: passthrough]")
    ] = None,
    durability: Annotated[
        Durability | None,
        typer.Option(help="What a logged call survives. [env var: LQO_DURABILITY; default: process]"),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file with the certificate chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file with its key, if apart.")] = None,
    max_body_mb: Annotated[int, typer.Option(help="Largest request, in MiB.", min=1, max=1024)] = 32,
    max_calls: Annotated[int, typer.Option(help="A worker's calls at once; more get 503.", min=1)] = 4000,
    max_connections: Annotated[int, typer.Option(help="Its connections; more get 503.", min=1)] = 10_000,
    grace: Annotated[float, typer.Option(help="Seconds running calls get to end.", min=0, max=3600)] = 30.0,
    drain_delay: Annotated[
        float, typer.Option(help="Seconds to go on after SIGTERM while /readyz says 503.", min=0, max=600)
    ] = 0.0,
) -> None:
    """Run the ingest proxy alone; it never needs the database."""
    from ingest.proxy.bounds import Limits
    from ingest.proxy.gate import Capacity
    from ingest.proxy.protocol import Patience
    from ingest.proxy.server import ProxyError, run_proxy
    from ingest.proxy.serving import Serving, parse_trusted_proxies
    from ingest.spool.owner import SpoolBusyError

    logs_or_exit(in_background=True)
    try:
        serving = Serving(
            workers=workers,
            tls_cert=tls_cert,
            tls_key=tls_key,
            trusted_proxies=parse_trusted_proxies(os.environ.get("LQO_TRUSTED_PROXIES", "")),
            drain_delay_seconds=drain_delay,
            grace_seconds=grace,
            patience=Patience(connections=max_connections),
            capacity=Capacity(calls=max_calls),
        )
        run_proxy(
            host=host,
            port=port,
            settings=_settings(auth=auth, durability=durability),
            upstream_base_url=upstream,
            serving=serving,
            limits=Limits(body_bytes=max_body_mb << 20),
        )
    except (ProxyError, SpoolBusyError) as error:
        raise UserError(str(error)) from error


def _settings(*, auth: Auth | None, durability: Durability | None) -> Settings:
    """The environment's, where no option says otherwise."""
    settings = settings_or_exit()
    return dataclasses.replace(
        settings, auth=auth or settings.auth, durability=durability or settings.durability
    )
