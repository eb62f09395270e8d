"""Grafana's provisioning and dashboards, copied out of the package."""

import shutil
from pathlib import Path

PROVISIONING = Path(__file__).resolve().parents[2] / "infra" / "grafana" / "provisioning"
DASHBOARDS = Path(__file__).resolve().parents[2] / "reports" / "grafana" / "dashboards"


def write_provisioning(folder: Path) -> list[Path]:
    """Write `<folder>/provisioning/…` and `<folder>/dashboards/*.json`; return the files. Raises OSError."""
    sources = [
        (path, Path("provisioning") / path.relative_to(PROVISIONING)) for path in PROVISIONING.rglob("*.yaml")
    ]
    sources += [(path, Path("dashboards") / path.name) for path in DASHBOARDS.glob("*.json")]
    written: list[Path] = []
    for source, name in sorted(sources):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        written.append(target)
    return written
