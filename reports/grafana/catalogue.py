"""Every dashboard, in the order of docs/dashboards.md."""

from reports.grafana.boards.alerts import ALERTS
from reports.grafana.boards.calls import CALLS
from reports.grafana.boards.comparison import COMPARISON
from reports.grafana.boards.cost import COST
from reports.grafana.boards.overview import OVERVIEW
from reports.grafana.boards.pipeline import PIPELINE
from reports.grafana.boards.prompts import PROMPTS
from reports.grafana.boards.quality import QUALITY

DASHBOARDS = (OVERVIEW, QUALITY, COMPARISON, COST, ALERTS, PROMPTS, PIPELINE, CALLS)
