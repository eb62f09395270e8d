"""A real Alertmanager with the shipped configuration, its receivers on this machine."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.infra.receivers import Receiver
from tests.infra.tools import ALERTMANAGER, program
from tests.local_servers import await_ready, free_port

TOKEN = "history-0123456789"


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """A running one."""

    url: str

    def alerts(self) -> list[Any]:
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=60) as answer:
            return json.loads(answer.read())

    def silence(self, **labels: str) -> str:
        """Silence these labels for an hour; the silence's id."""
        now = time.time()
        matchers = [
            {"name": name, "value": value, "isRegex": False, "isEqual": True}
            for name, value in labels.items()
        ]
        given = {"matchers": matchers, "createdBy": "tests", "comment": "known"}
        times = {"startsAt": _iso(now - 1), "endsAt": _iso(now + 3600)}
        return json.loads(self._ask("/api/v2/silences", given | times))["silenceID"]

    def _ask(self, path: str, body: Any) -> bytes:
        request = urllib.request.Request(
            f"{self.url}{path}", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()


@contextmanager
def running_alertmanager(
    folder: Path, *, slack: Receiver, history: Receiver, as_shipped: bool = False
) -> Iterator[Alertmanager]:
    """Start it on a free port; skips where it is not installed. Groups do not wait unless `as_shipped`."""
    server = program("prometheus-alertmanager")
    configuration = folder / "alertmanager.yml"
    configuration.write_text(
        yaml.safe_dump(configured(folder, slack=slack, history=history, as_shipped=as_shipped))
    )
    port = free_port()
    with (folder / "alertmanager.log").open("w") as log:
        running = subprocess.Popen(
            [
                server,
                f"--config.file={configuration}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            await_ready(f"http://127.0.0.1:{port}/-/ready", running, folder / "alertmanager.log")
            yield Alertmanager(f"http://127.0.0.1:{port}")
        finally:
            running.terminate()
            running.wait()


def configured(folder: Path, *, slack: Receiver, history: Receiver, as_shipped: bool) -> dict[str, Any]:
    """The shipped configuration with local receivers and secrets, and without the mail account it lacks."""
    shipped = yaml.safe_load((ALERTMANAGER / "alertmanager.yml").read_text("utf-8"))
    secrets = {
        "slack_url": f"{slack.url}/slack",
        "discord_url": f"{slack.url}/discord",
        "history_token": TOKEN,
    }
    for name, text in secrets.items():
        (folder / name).write_text(text)
    shipped["global"] = {"slack_api_url_file": str(folder / "slack_url"), "resolve_timeout": "5m"}
    shipped["templates"] = [str(ALERTMANAGER / "templates" / "*.tmpl")]
    for receiver in shipped["receivers"]:
        receiver.pop("email_configs", None)
        for hook in receiver.get("webhook_configs", ()):
            hook["url"] = f"{history.url}/v1/alerts/alertmanager"
            hook["http_config"]["authorization"]["credentials_file"] = str(folder / "history_token")
        if receiver["name"] == "discord":
            receiver["slack_configs"][0]["api_url_file"] = str(folder / "discord_url")
    if not as_shipped:
        for route in (shipped["route"], *shipped["route"]["routes"]):
            route.update(group_wait="10ms", group_interval="100ms")
    return shipped


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
