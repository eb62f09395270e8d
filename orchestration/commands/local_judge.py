"""`lqo judges serve-local`: the local language model as an endpoint, until Ctrl-C."""

import sys
import time
from typing import Annotated

import typer

from orchestration.commands.errors import UserError
from orchestration.local_judge import LocalJudgeError, serving


def serve_local(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="A port of 127.0.0.1; 0 takes a free one.")
    ] = 0,
) -> None:
    """Serve a small local language model to judges, on this machine alone (extra `local-judge`)."""
    try:
        with serving(port=port, log=sys.stderr.buffer) as judge:
            typer.echo(f"{judge.model} at {judge.base_url}; Ctrl-C stops it")
            while True:
                time.sleep(3_600)
    except LocalJudgeError as error:
        raise UserError(str(error)) from None
