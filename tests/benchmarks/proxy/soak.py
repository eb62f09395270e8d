"""The soak: a steady load while Postgres goes away and the proxy is killed with -9; nothing is lost.

    python -m tests.benchmarks.proxy.soak                                                   # two minutes
    python -m tests.benchmarks.proxy.soak --rate 1000 --seconds 600 --outage 120            # the long form

A real proxy process on core 0; on core 1 a real embedded Postgres, a real loader, the mock provider and an
open-loop load that two budgets stand over. Exit code 1 where the accounts of client, mock, spool, warehouse,
the proxy's ledger and the marts differ in a call, a token or 10⁻¹² USD, and, unless `--lenient`, where the
added latency misses its bar.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from evaluators.pricing.rows import PriceRow
from ingest.database.connect import connect
from ingest.database.embedded import EmbeddedServer, start_embedded
from ingest.database.migrate import migrate
from ingest.settings import Settings
from orchestration.cost.price_book import import_prices
from orchestration.windows import Window
from tests.benchmarks.proxy.exchange import MODEL, SERVED_MODEL, USD_PER_MILLION
from tests.benchmarks.proxy.load import Log, is_streamed, percentile
from tests.benchmarks.proxy.processes import (
    LOAD_CORE,
    PROXY_CORE,
    Running,
    free_port,
    lqo,
    machine,
    module,
    on_any_core,
    on_load_core,
    start,
)
from tests.benchmarks.proxy.soak_accounts import Books, settle
from tests.benchmarks.proxy.soak_money import build_marts, set_budgets
from tests.benchmarks.proxy.soak_plan import Events, Plan

BAR_P95_MS = 20.0
_BASELINE_SECONDS = 8.0
_SETTLING = 1.0
"""Seconds after the proxy serves again that still count as its restart: clients connect anew."""
_LOADER_NICE = 5
"""The loader gives way to the load, which shares its core only here."""
_DRAIN_SECONDS = 600.0


@dataclass(slots=True)
class Report:
    """What a soak found; latencies in ms, times in seconds. `added_ms` is by percentile, over the direct way,
    outside the restart: of plain calls (`streams_added_ms`: of streams, to their last byte)."""

    machine: str
    plan: Plan
    books: Books
    added_ms: dict[str, float]
    streams_added_ms: dict[str, float]
    direct_ms: dict[str, float]
    down_seconds: float
    catch_up_seconds: float
    drained_after_seconds: float
    proxy_rss_mb: list[float] = field(default_factory=list[float])

    @property
    def problems(self) -> list[str]:
        return self.books.problems

    @property
    def misses_latency(self) -> bool:
        return self.added_ms["p95"] > BAR_P95_MS


class Soak:
    """Everything of one run, below `home`."""

    def __init__(self, plan: Plan, *, home: Path, parsed: Path | None) -> None:
        self._plan = plan
        self._home = home
        self._parsed = parsed
        self._port = free_port()
        self._running: list[Running] = []
        self._events = Events()
        self._rss: list[float] = []
        self._server: EmbeddedServer | None = None
        self._env: dict[str, str] = {}

    def run(self) -> Report:
        where = machine()
        on_load_core()
        try:
            return self._run(where)
        finally:
            for running in reversed(self._running):
                running.stop(signal.SIGKILL)
            if self._server is not None:
                self._server.stop()
            on_any_core()

    def _run(self, where: str) -> Report:
        plan = self._plan
        self._prepare_warehouse()
        options = ("--delay", plan.delay, "--words", plan.words, "--pace", 0.01)
        mock = self._start(module("mock", *options), core=LOAD_CORE, name="mock")
        # A ledger of its own, so that these calls are in nobody's account.
        other = self._start(module("mock", *options), core=LOAD_CORE, name="baseline-mock")
        direct = self._load(other.url, seconds=_BASELINE_SECONDS, name="direct")
        direct.process.wait()
        other.stop()
        proxy = self._start_proxy(mock.url)
        loader = self._start(lqo("loader"), core=LOAD_CORE, url=mock.url, name="loader", nice=_LOADER_NICE)
        load = self._load(proxy.url, seconds=plan.seconds, name="load")
        proxy = self._trouble(proxy, mock=mock)
        self._watch(load, proxy)
        log = Log.read(self._home / "load.log")
        drained = self._drain(proxy, loader)
        assert self._server is not None
        with connect(self._server.url) as connection:
            books = settle(
                connection, log=log, mock_url=mock.url, spool=self._home / "spool", model=self._model
            )
        return self._report(where, books, log=log, drained=drained)

    def _prepare_warehouse(self) -> None:
        self._server = start_embedded(self._home / "postgres")
        url = self._server.url
        migrate(url)
        with connect(url) as connection:
            import_prices(connection, _prices(), source="soak")
            set_budgets(connection)
        self._env = {"LQO_HOME": str(self._home), "DATABASE_URL": url.libpq()}

    def _start(
        self, command: list[str], *, core: int, name: str, url: str | None = None, nice: int = 0
    ) -> Running:
        log = self._home / f"{name}.stderr"
        running = start(command, core=core, env=self._env, log=log, url=url, nice=nice)
        self._running.append(running)
        return running

    def _start_proxy(self, mock_url: str) -> Running:
        command = lqo("proxy", "--port", self._port, "--upstream", mock_url)
        return self._start(command, core=PROXY_CORE, name="proxy")

    def _load(self, url: str, *, seconds: float, name: str) -> Running:
        plan = self._plan
        out = self._home / f"{name}.log"
        command = module("load", url, "--rate", plan.rate, "--seconds", seconds, "--out", out)
        command += ["--streams", str(plan.streams), "--words", str(plan.words)]
        if name == "load":
            self._events.began = time.monotonic()
        return self._start(command, core=LOAD_CORE, name=name, url=url)

    def _trouble(self, proxy: Running, *, mock: Running) -> Running:
        """The outage and the kill inside it; the proxy that serves afterwards."""
        events, plan = self._events, self._plan
        assert self._server is not None
        self._sleep_until(plan.stop_at, proxy)
        self._server.stop()
        events.stopped = time.monotonic()
        self._sleep_until(plan.kill_at, proxy)
        events.killed = time.monotonic()
        proxy.stop(signal.SIGKILL)
        proxy = self._start_proxy(mock.url)
        events.served_again = time.monotonic()
        self._sleep_until(plan.start_at, proxy)
        self._server = start_embedded(self._home / "postgres")
        events.started = time.monotonic()
        return proxy

    def _sleep_until(self, second: float, proxy: Running) -> None:
        """Until so many seconds after the load began; the proxy's memory is looked at meanwhile."""
        while (left := self._events.began + second - time.monotonic()) > 0:
            time.sleep(min(left, 1.0))
            self._rss.append(round(proxy.rss_bytes() / 1e6, 1))

    def _watch(self, load: Running, proxy: Running) -> None:
        """Until the load ends; note when the loader has caught up with it."""
        while load.process.poll() is None:
            time.sleep(0.5)
            self._rss.append(round(proxy.rss_bytes() / 1e6, 1))
            self._note_if_caught_up()
        self._events.ended = time.monotonic()
        if load.process.returncode:
            raise RuntimeError(f"the load ended with {load.process.returncode}")

    def _note_if_caught_up(self) -> None:
        if not self._events.caught_up and self._is_caught_up():
            self._events.caught_up = time.monotonic()

    def _is_caught_up(self) -> bool:
        """Whether what has landed is no more than 3 s behind."""
        assert self._server is not None
        query = "select max(started_at) from raw.llm_calls where project = 'bench' and started_at > %s"
        now = datetime.now(UTC)
        with connect(self._server.url, autocommit=True) as connection:
            row = connection.execute(query, (now - timedelta(seconds=10),)).fetchone()
        return row is not None and row[0] is not None and now - row[0] < timedelta(seconds=3)

    def _drain(self, proxy: Running, loader: Running) -> float:
        """Stop the proxy as an operator would and load what is left; seconds since the load ended."""
        if code := proxy.stop(signal.SIGTERM):
            raise RuntimeError(f"the proxy ended with {code} (see {self._home / 'proxy.stderr'})")
        loader.stop(signal.SIGTERM)
        last = start(
            lqo("loader", "--once"),
            core=LOAD_CORE,
            env=self._env,
            log=self._home / "loader.stderr",
            url=self._running[0].url,
        )
        self._running.append(last)
        if code := last.process.wait(_DRAIN_SECONDS):
            raise RuntimeError(f"the loader ended with {code} (see {self._home / 'loader.stderr'})")
        return time.monotonic() - self._events.ended

    def _model(self, window: Window) -> None:
        """Build the marts of money, by a manifest that is there already where the test has one."""
        assert self._server is not None
        settings = Settings(home=self._home)
        if self._parsed is not None:
            shutil.copytree(self._parsed, settings.dbt_target)
        build_marts(settings, self._server.url, [window])

    def _report(self, where: str, books: Books, *, log: Log, drained: float) -> Report:
        events = self._events
        direct = Log.read(self._home / "direct.log")
        restart = (events.killed, events.served_again + _SETTLING)

        def plain(number: int) -> bool:
            return not is_streamed(number, share=self._plan.streams)

        def streamed(number: int) -> bool:
            return not plain(number)

        at_rest = _percentiles(direct.latencies_ms(of=plain))
        in_streams = _percentiles(direct.latencies_ms(of=streamed))
        return Report(
            machine=where,
            plan=self._plan,
            books=books,
            added_ms=_above(at_rest, log.latencies_ms(of=plain, besides=(restart,))),
            streams_added_ms=_above(in_streams, log.latencies_ms(of=streamed, besides=(restart,))),
            direct_ms=at_rest,
            down_seconds=round(events.served_again - events.killed, 2),
            catch_up_seconds=round(max(0.0, (events.caught_up or time.monotonic()) - events.started), 1),
            drained_after_seconds=round(drained, 1),
            proxy_rss_mb=self._rss,
        )


def run_soak(plan: Plan, *, home: Path, parsed: Path | None = None) -> Report:
    """Run it below `home`, an empty folder that stays; `parsed` is a dbt target with a manifest."""
    return Soak(plan, home=home, parsed=parsed).run()


def say(report: Report) -> None:
    """Print it for people."""
    plan, books = report.plan, report.books
    print(report.machine)
    print(
        f"{plan.rate:.0f} calls/s for {plan.seconds:.0f} s, {plan.streams:.0%} streamed; Postgres away for "
        f"{plan.outage:.0f} s, proxy killed with -9 in the middle of that; durability process"
    )
    print(
        f"client      {books.acknowledged:9,} acknowledged, {books.failed:,} failed"
        f" (the proxy was down for {report.down_seconds} s)"
    )
    for name in ("mock", "spool", "raw", "charges"):
        account = getattr(books, name)
        tokens = f"{account.tokens[0]:,} + {account.tokens[2]:,} tokens" if any(account.tokens) else ""
        usd = "" if account.usd is None else f"{account.usd.normalize():f} USD"
        print(f"{name:11} {account.calls:9,} calls   {tokens:34} {usd}")
    if money := books.money:
        amounts = ", ".join(f"{amount.normalize():f}" for amount in money.ledger.values())
        held = ", ".join(f"{amount.normalize():f}" for amount in money.without_end.values()) or "0"
        print(f"ledger      {amounts} USD by budget: the charges and {held} reserved by calls without an end")
        print(f"marts       {money.cost_usd.normalize():f} USD")
    print(f"interrupted {books.interrupted:9,} calls, under way when the proxy was killed")
    print(f"added outside the restart, ms: {report.added_ms} to {report.direct_ms}")
    print(f"added to streams, ms:          {report.streams_added_ms}")
    print(
        f"the loader caught up {report.catch_up_seconds} s after Postgres came back; "
        f"all landed {report.drained_after_seconds} s after the load ended"
    )
    rss = report.proxy_rss_mb
    print(f"proxy's memory: {rss[0]:.0f} MB at first, {max(rss):.0f} at most, {rss[-1]:.0f} at last")
    print("nothing lost, every account agrees" if not report.problems else "\n".join(report.problems))


def _percentiles(latencies: Sequence[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
    return {name: round(percentile(latencies, share), 2) for name, share in shares.items()}


def _above(base: Mapping[str, float], latencies: Sequence[float]) -> dict[str, float]:
    return {name: round(value - base[name], 2) for name, value in _percentiles(latencies).items()}


def _prices() -> list[PriceRow]:
    now = datetime.now(UTC)
    return [
        PriceRow(
            provider=None,
            model=model,
            match="exact",
            bucket=bucket,
            usd_per_million=usd,
            valid_from=datetime(2025, 1, 1, tzinfo=UTC),
            recorded_at=now,
            source="soak",
        )
        # A budget asks what the named model may cost, a charge what the serving one does.
        for model in (MODEL, SERVED_MODEL)
        for bucket, usd in USD_PER_MILLION.items()
    ]


@contextmanager
def _home(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="lqo-soak-") as folder:
        yield Path(folder)


def main() -> None:
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=usual.rate, help="calls a second")
    parser.add_argument("--seconds", type=float, default=usual.seconds)
    parser.add_argument("--outage", type=float, default=usual.outage, help="seconds without Postgres")
    parser.add_argument("--streams", type=float, default=usual.streams, help="share of streamed calls")
    parser.add_argument("--home", type=Path, help="a new folder that stays; default one that goes")
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--lenient", action="store_true", help="latency is told, not asserted")
    options = parser.parse_args()
    plan = Plan(rate=options.rate, seconds=options.seconds, outage=options.outage, streams=options.streams)
    with _home(options.home) as home:
        report = run_soak(plan, home=home)
    say(report)
    if options.json:
        options.json.write_text(json.dumps(asdict(report), default=str, indent=1))
    if report.misses_latency:
        print(f"MISSED: p95 adds {report.added_ms['p95']} ms, the bar is {BAR_P95_MS} ms")
    sys.exit(1 if report.problems or (report.misses_latency and not options.lenient) else 0)


if __name__ == "__main__":
    main()
