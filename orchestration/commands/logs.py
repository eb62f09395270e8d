"""How a long-running verb logs, as the environment says."""

import os

from ingest.logs import LogSettingsError, set_up_logs
from orchestration.commands.errors import UserError


def logs_or_exit(*, in_background: bool = False) -> None:
    """Raises UserError for settings that are none."""
    try:
        set_up_logs(os.environ, in_background=in_background)
    except LogSettingsError as error:
        raise UserError(str(error), code=2) from error
