"""A dbt process that stays warm: one JSON request a line in, one JSON answer a line out.

Importing dbt takes 3 s and a test run needs dozens of commands. dbt runs here and not inside pytest,
because its threads log, warn and keep connections in ways that pytest turns into errors.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

from dbt.cli.main import dbtRunner

from orchestration.dbt_command import parsed_manifest


def main() -> None:
    """The manifest of the first argument is read for every command: a run changes its own."""
    answers = sys.stdout
    for line in sys.stdin:
        request = json.loads(line)
        os.environ.update(request["environment"])
        with contextlib.redirect_stdout(sys.stderr):
            manifest = parsed_manifest(Path(sys.argv[1]))
            outcome = dbtRunner(manifest=manifest).invoke(request["arguments"])
        results = getattr(outcome.result, "results", None) or []
        nodes = {result.node.name: str(result.status) for result in results}
        messages = [str(result.message) for result in results if result.message]
        problem = None if outcome.exception is None else str(outcome.exception)
        answers.write(
            json.dumps({"success": outcome.success, "nodes": nodes, "messages": messages, "problem": problem})
            + "\n"
        )
        answers.flush()


if __name__ == "__main__":
    main()
