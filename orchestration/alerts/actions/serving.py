"""What the API needs to act on alerts: a login that may write no more than it must."""

import logging

import psycopg

from ingest.database.connect import DatabaseUnavailable
from ingest.database.embedded import role_making_url
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.alerts.actions.desk import AlertDesk
from orchestration.alerts.actions.role import ActionRoleError, ensure_actions_role
from orchestration.alerts.definition.folder import alerts_folder
from reports.api.alerting_writer import AlertingWriter

logger = logging.getLogger(__name__)


def alerting_writer(settings: Settings, url: DatabaseUrl) -> AlertingWriter | None:
    """The writer of the API; None where there is no such login: then it only reads, and the log says why."""
    try:
        login = ensure_actions_role(url, admin=role_making_url(settings, url))
    except (ActionRoleError, DatabaseUnavailable, psycopg.Error) as error:
        logger.warning("alerts cannot be acted on over HTTP: %s", " ".join(str(error).split()))
        return None
    return AlertingWriter(login.psycopg(), AlertDesk(folder=alerts_folder(settings)))
