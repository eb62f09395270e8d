"""From the provider's first 500 to a message at a Slack-shaped receiver, by Prometheus' rules as shipped.

Real proxy, Prometheus and Alertmanager with the shipped intervals, rules, routes and waits; only the
addresses are those of this machine. Each run begins at another moment of the scrape interval: ten calls a
second that succeed, then ten that fail.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from tests.infra.alertmanager_server import running_alertmanager
from tests.infra.prometheus_live import healthy_targets, scraping
from tests.infra.receivers import Receiver, receiving
from tests.ingest.running_proxy import running_proxy
from tests.ingest.upstream import running_provider

BAR_SECONDS = 60.0
CALLS_A_SECOND = 10
ALERT = "GatewayErrorRate"


async def one_run(*, good_seconds: float) -> float:
    """Seconds from the first 500 to the message."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        slack, history = stack.enter_context(receiving()), stack.enter_context(receiving())
        alertmanager = stack.enter_context(
            running_alertmanager(folder, slack=slack, history=history, as_shipped=True)
        )
        async with running_provider() as provider, running_proxy(folder / "home", provider.url) as proxy:
            places = {"proxy": urlsplit(proxy.url).netloc, "alertmanager": urlsplit(alertmanager.url).netloc}
            prometheus = stack.enter_context(scraping(folder, places))
            while not await asyncio.to_thread(healthy_targets, prometheus):
                await asyncio.sleep(0.1)
            async with aiohttp.ClientSession() as http:
                await call(http, proxy.url, "ok", until=lambda since: since > good_seconds)
                began = time.monotonic()
                await call(
                    http, proxy.url, "status-500", until=lambda since: since > 2 * BAR_SECONDS or told(slack)
                )
                return time.monotonic() - began if told(slack) else float("nan")


async def call(http: aiohttp.ClientSession, url: str, model: str, *, until: Callable[[float], bool]) -> None:
    """Ten calls a second until `until` says so of the seconds since the first."""
    began = time.monotonic()
    while not until(time.monotonic() - began):
        async with http.post(f"{url}/v1/chat/completions", json={"model": model, "messages": []}) as answer:
            await answer.read()
        await asyncio.sleep(1 / CALLS_A_SECOND)


def told(slack: Receiver) -> bool:
    return any(ALERT in body["attachments"][0]["title"] for body in slack.bodies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    # The good calls end at moments spread over the scrape interval of 5 s.
    seconds = [asyncio.run(one_run(good_seconds=15 + 5 * number / runs)) for number in range(runs)]
    told_after = ", ".join(f"{each:.1f} s" for each in seconds)
    print(f"first 500 to Slack: {told_after} (bar: below {BAR_SECONDS:.0f} s)")
    assert all(each < BAR_SECONDS for each in seconds)


if __name__ == "__main__":
    main()
