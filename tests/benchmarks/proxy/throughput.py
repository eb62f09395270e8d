"""Throughput at 64 connections, 1 KB in and 1.2 KB out: ours against a bare pass-through and other gateways.

    python -m tests.benchmarks.proxy.throughput [--arms bare,ours,…] [--rounds 5] [--seconds 4] [--rivals DIR]

Every arm runs on core 0, mock provider and load on core 1. Arms take turns within a round, and the ratios are
medians of the ratios within rounds, so that a machine that slows down slows all of them. How rivals are
installed and started stands in rivals.py.
"""

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from tests.benchmarks.proxy.load import Address, closed_loop, percentile
from tests.benchmarks.proxy.processes import (
    LOAD_CORE,
    PROXY_CORE,
    Running,
    machine,
    module,
    on_load_core,
    serving,
)
from tests.benchmarks.proxy.rivals import ARMS, Arm, MissingError

WARM_UP = 1.0
_SEEN = {"exact": "byte for byte", "rewritten": "written anew", "failed": "FAILED"}


@dataclass(frozen=True, slots=True)
class Round:
    """One arm for a few seconds. `cpu_us` is CPU a call of the arm's processes; `busy` the share of its core
    that it used: well below 1, mock and load were what held it up."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    busy: float
    rss_mb: float
    n_rewritten: int
    n_failed: int


async def measure(arm: Arm, running: Running, *, clients: int, seconds: float) -> Round:
    address = Address.of(running.url, path=arm.path, headers=arm.headers)
    await closed_loop(address, clients=clients, seconds=WARM_UP)
    before = running.cpu_seconds()
    found = await closed_loop(address, clients=clients, seconds=seconds)
    used = running.cpu_seconds() - before
    calls = max(len(found.latencies_ms), 1)
    return Round(
        rate=found.rate,
        p50_ms=percentile(found.latencies_ms, 0.5),
        p99_ms=percentile(found.latencies_ms, 0.99),
        cpu_us=used / calls * 1e6,
        busy=used / seconds,
        rss_mb=running.rss_bytes() / 1e6,
        n_rewritten=found.n_rewritten,
        n_failed=found.n_failed,
    )


def run(
    names: list[str], *, rounds: int, seconds: float, clients: int, rivals: Path | None
) -> tuple[dict[str, list[Round]], dict[str, str]]:
    """Rounds by arm, and why arms are missing."""
    found: dict[str, list[Round]] = {}
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lqo-bench-")))
        mock = stack.enter_context(serving(module("mock"), core=LOAD_CORE))
        arms: dict[str, tuple[Arm, Running]] = {}
        for name in names:
            home = folder / name
            home.mkdir()
            try:
                arm = ARMS[name](mock.url, home, rivals)
                log = home / "log"
                started = serving(arm.command, core=PROXY_CORE, env=arm.env, url=arm.url, log=log)
                arms[name] = arm, stack.enter_context(started)
            except (MissingError, RuntimeError) as error:
                missing[name] = str(error)
        for number in range(rounds):
            for name, (arm, running) in arms.items():
                result = uvloop.run(measure(arm, running, clients=clients, seconds=seconds))
                found.setdefault(name, []).append(result)
                print(f"  round {number + 1} {arm.name:20} {result.rate:8.0f} calls/s", flush=True)
    return found, missing


def median(rounds: list[Round]) -> Round:
    return Round(*(statistics.median(getattr(each, name) for each in rounds) for name in Round.__slots__))


def ratio(ours: list[Round], theirs: list[Round]) -> float:
    """Median over rounds of our rate to theirs."""
    return statistics.median(a.rate / max(b.rate, 1e-9) for a, b in zip(ours, theirs, strict=True))


def report(found: dict[str, list[Round]], missing: dict[str, str]) -> None:
    print("\narm            calls/s    p50 ms    p99 ms   CPU µs   busy   RSS MB   lqo/arm   answers")
    for name, rounds in found.items():
        arm = median(rounds)
        against = ratio(found["ours"], rounds) if "ours" in found else float("nan")
        seen = "failed" if arm.n_failed else "rewritten" if arm.n_rewritten else "exact"
        print(
            f"{name:12} {arm.rate:9.0f} {arm.p50_ms:9.2f} {arm.p99_ms:9.2f} {arm.cpu_us:8.0f} {arm.busy:6.2f}"
            f" {arm.rss_mb:8.0f} {against:9.2f}   {_SEEN[seen]}"
        )
    for name, reason in missing.items():
        print(f"{name:12} left out: {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--arms", default=",".join(ARMS), help=f"of {', '.join(ARMS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rivals", type=Path, help="folder of the installed rivals")
    parser.add_argument("--json", type=Path, help="write all rounds here")
    options = parser.parse_args()
    names = options.arms.split(",")
    if unknown := set(names) - set(ARMS):
        parser.error(f"unknown arms: {', '.join(sorted(unknown))}")
    where = machine()
    on_load_core()
    print(f"{where}\n{options.clients} connections, {options.rounds} rounds of {options.seconds} s")
    found, missing = run(
        names,
        rounds=options.rounds,
        seconds=options.seconds,
        clients=options.clients,
        rivals=options.rivals,
    )
    report(found, missing)
    if options.json:
        rounds = {name: [asdict(each) for each in arm] for name, arm in found.items()}
        options.json.write_text(json.dumps({"machine": where, "rounds": rounds, "missing": missing}))


if __name__ == "__main__":
    main()
