"""Options that several verbs have."""

from typing import Annotated

import typer

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Upstream = Annotated[
    str, typer.Option(help="The provider's base URL, without /v1.", envvar="LQO_OPENAI_BASE_URL")
]
Workers = Annotated[
    int,
    typer.Option(
        help="Processes that share the port, each with a spool of its own.",
        min=1,
        max=128,
        envvar="LQO_WORKERS",
    ),
]
