"""A real Prometheus over samples that were exported by something real."""

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.local_servers import await_ready, free_port

CONFIGURATION = Path(__file__).resolve().parents[2] / "infra" / "prometheus" / "prometheus.yml"


@contextmanager
def prometheus_over(exported: Mapping[float, str], *, folder: Path) -> Iterator[str]:
    """The address of a server that has scraped these pages at these times (seconds since the epoch).

    The samples go in as a block, which needs no waiting for scrapes. Skips where Prometheus is not installed.
    """
    programs = shutil.which("prometheus"), shutil.which("promtool")
    if None in programs:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    server, tool = (str(program) for program in programs)
    samples, data = folder / "samples.txt", folder / "data"
    samples.write_text(openmetrics(exported))
    blocks = [tool, "tsdb", "create-blocks-from", "openmetrics", str(samples), str(data)]
    subprocess.run(blocks, check=True, capture_output=True)
    subprocess.run([tool, "check", "config", str(CONFIGURATION)], check=True, capture_output=True)
    port = free_port()
    configuration = folder / "prometheus.yml"
    configuration.write_text("global: {scrape_interval: 15s}\n")
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            [
                server,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=10y",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            await_ready(f"http://127.0.0.1:{port}/-/ready", running, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            running.kill()
            running.wait()


def openmetrics(exported: Mapping[float, str]) -> str:
    """Every sample of every page with its time, sorted by series as promtool wants them."""
    lines: list[tuple[str, float, str]] = []
    for at, text in exported.items():
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(
                    f"{name}={json.dumps(value)}" for name, value in sorted(sample.labels.items())
                )
                series = f"{sample.name}{{{labels}}}"
                lines.append((series, at, f"{series} {sample.value} {at}"))
    return "\n".join(line for _, _, line in sorted(lines)) + "\n# EOF\n"


def query_range(url: str, expression: str, *, start: float, end: float, step: float = 15) -> list[Any]:
    """The series that an expression gives; raises AssertionError with the server's own words."""
    asked = {"query": expression, "start": start, "end": end, "step": step}
    address = f"{url}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return json.loads(answer.read())["data"]["result"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{expression}: {error.read().decode()}") from None
