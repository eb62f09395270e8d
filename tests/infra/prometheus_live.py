"""A real Prometheus that scrapes and evaluates as shipped; only its targets are others."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.infra.tools import PROMETHEUS, program
from tests.local_servers import await_ready, free_port


@contextmanager
def scraping(folder: Path, targets: Mapping[str, str], *, is_hasty: bool = False) -> Iterator[str]:
    """Its address. `targets` maps a file of `targets/` (proxy, api …) to host and port; others have none.

    `is_hasty`: it scrapes and evaluates ten times a second, and no alert waits.
    """
    server = program("prometheus")
    (folder / "targets").mkdir()
    for path in (PROMETHEUS / "targets").glob("*.yml"):
        given = [{"targets": [targets[path.stem]]}] if path.stem in targets else []
        (folder / "targets" / path.name).write_text(yaml.safe_dump(given))
    shipped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    shipped["rule_files"] = [str(_hasty(folder) if is_hasty else PROMETHEUS / "alerts" / "*.yml")]
    if is_hasty:
        shipped["global"] = {"scrape_interval": "100ms", "evaluation_interval": "100ms"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(shipped))
    port = free_port()
    with (folder / "prometheus.log").open("w") as log:
        running = subprocess.Popen(
            [
                server,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
                # What fires before Alertmanager is discovered would else be sent again after a minute.
                *(["--rules.alert.resend-delay=1s"] if is_hasty else []),
            ],
            stdout=log,
            stderr=log,
        )
        try:
            await_ready(f"http://127.0.0.1:{port}/-/ready", running, folder / "prometheus.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()
            running.wait()


def _hasty(folder: Path) -> Path:
    """The shipped rules without their waits."""
    (folder / "alerts").mkdir()
    for path in (PROMETHEUS / "alerts").glob("*.yml"):
        rules = yaml.safe_load(path.read_text("utf-8"))
        for rule in rules["groups"][0]["rules"]:
            if "alert" in rule:
                rule.update({"for": "0s", "keep_firing_for": "0s"})
        (folder / "alerts" / path.name).write_text(yaml.safe_dump(rules))
    return folder / "alerts" / "*.yml"


def healthy_targets(url: str) -> int:
    """How many targets were scraped."""
    with urllib.request.urlopen(f"{url}/api/v1/targets", timeout=60) as answer:
        found: Any = json.loads(answer.read())
    return sum(each["health"] == "up" for each in found["data"]["activeTargets"])
