"""Where users keep their alert rules and channels."""

import os
from collections.abc import Mapping
from pathlib import Path

from ingest.settings import Settings


def rules_folder(settings: Settings, environment: Mapping[str, str] = os.environ) -> Path:
    """`LQO_ALERTS`, else `alerts` in the home, whether or not it is there."""
    given = environment.get("LQO_ALERTS")
    return Path(given).expanduser().absolute() if given else settings.home / "alerts"


def alerts_folder(settings: Settings, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The same; None where nobody has named one and there is none, so that only a wrong name is a fault."""
    folder = rules_folder(settings, environment)
    return folder if environment.get("LQO_ALERTS") or folder.exists() else None
