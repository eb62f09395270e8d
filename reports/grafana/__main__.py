"""`python -m reports.grafana` writes the dashboards' JSON anew, after a change of them."""

import json

from reports.grafana.catalogue import DASHBOARDS
from reports.grafana.page import page
from reports.grafana.queries import FOLDER


def written() -> dict[str, str]:
    """File name to text of every dashboard."""
    return {
        f"{dashboard.uid}.json": json.dumps(page(dashboard), indent=1, ensure_ascii=False) + "\n"
        for dashboard in DASHBOARDS
    }


if __name__ == "__main__":
    for name, text in written().items():
        (FOLDER / name).write_text(text, "utf-8")
