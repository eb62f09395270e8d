"""Rule checks on all cores: the frame is cut into shares, of which this process takes one.

Processes and not threads, as most of a rule's time is spent in Python and in a language model that keeps the
interpreter's lock (measured: two threads are slower than one).
"""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import TracebackType

import polars as pl

from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES
from evaluators.rules.written.rule import definition_of, rule_of
from orchestration.rules.rule_runs import RESULT_SCHEMA, judge

logger = logging.getLogger(__name__)
# How a rule is told to a worker: its name in the catalogue, or the definition of a written one.
Told = tuple[str, str | None]
# A worker takes a second to start, which a light refresh of a few thousand calls does not win back.
LEAST_ROWS = 10_000
LEAST_BYTES = 16 * 2**20
_GONE = (EOFError, OSError)
_MANY = 4
_SLOW_MODULES = ("evaluators.rules.written.languages", "evaluators.rules.written.cases")


class RuleWorkers:
    """As many helpers as there are cores besides ours; none before a frame is large enough for them.

    `judge` gives exactly what `rule_runs.judge` gives. A worker that died is no fault of the
    calls: its share is judged here. Workers end with the block, and when this process dies.
    """

    def __init__(self, *, n_workers: int | None = None, least_rows: int = LEAST_ROWS) -> None:
        self._n_workers = len(os.sched_getaffinity(0)) - 1 if n_workers is None else n_workers
        self._least_rows = least_rows
        self._workers: list[_Worker] | None = None

    def __enter__(self) -> "RuleWorkers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers or ():
            worker.stop()

    def start(self, *, wait_seconds: float = 0.0) -> "list[_Worker]":
        """The workers that are up, started where they are not; a share is not held back for a slow start."""
        if self._workers is None:
            self._workers = [_Worker() for _ in range(self._n_workers)]
        return [worker for worker in self._workers if worker.is_ready(wait_seconds=wait_seconds)]

    def judge(self, frame: pl.DataFrame, *, rules: Sequence[Rule]) -> pl.DataFrame:
        """The columns of RESULT_SCHEMA in frame order."""
        helpers = self._helpers(frame, rules=rules)
        share = -(-frame.height // (len(helpers) + 1))
        told = [(rule.name, definition_of(rule)) for rule in rules]
        for number, helper in enumerate(helpers, start=1):
            helper.give(frame.slice(number * share, share), told=told)
        results = [judge(frame.head(share), rules=rules)]
        for number, helper in enumerate(helpers, start=1):
            found = helper.take()
            if found is None:
                found = judge(frame.slice(number * share, share), rules=rules)
            results.append(found)
        return pl.concat(results)

    def _helpers(self, frame: pl.DataFrame, *, rules: Sequence[Rule]) -> "list[_Worker]":
        """Who takes a share; a rule that is neither shipped nor written cannot be told to a worker."""
        is_small = frame.height < self._least_rows and frame.estimated_size() < LEAST_BYTES
        if is_small or _is_light(rules) or not all(_can_be_told(rule) for rule in rules):
            return []
        return self.start()


class _Worker:
    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orchestration.rules.rule_workers", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._pipe = Connection(ours.detach())
        self._is_up = False
        self._is_gone = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_ready(self, *, wait_seconds: float) -> bool:
        """It said hello, and is not gone."""
        if not self._is_up and not self._is_gone and self._pipe.poll(wait_seconds):
            self._is_up = self._receive() is not None
        return self._is_up and not self._is_gone

    def give(self, frame: pl.DataFrame, *, told: list[Told]) -> None:
        try:
            self._pipe.send((frame, told))
        except _GONE:
            self._write_off()

    def take(self) -> pl.DataFrame | None:
        """The results of what was given; None where the worker is gone."""
        found = self._receive()
        return found if isinstance(found, pl.DataFrame) else None

    def stop(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def _receive(self) -> object:
        try:
            return None if self._is_gone else self._pipe.recv()
        except _GONE:
            self._write_off()
            return None

    def _write_off(self) -> None:
        logger.warning("a rule worker is gone (exit %s); its share is done here", self._process.poll())
        self._is_gone = True


def _is_light(rules: Sequence[Rule]) -> bool:
    """A few written rules take less time than to hand the texts over (some 10 µs a call), but for those that
    ask a language model."""
    is_slow = any(rule.check.__module__ in _SLOW_MODULES for rule in rules)
    return len(rules) < _MANY and not is_slow and all(definition_of(rule) is not None for rule in rules)


def _can_be_told(rule: Rule) -> bool:
    return definition_of(rule) is not None or any(rule is known for known in RULES)


def _serve(pipe: Connection) -> None:
    """Answer frames until the other end closes."""
    known: dict[Told, Rule] = {(rule.name, None): rule for rule in RULES}
    pipe.send("ready")
    while True:
        frame, told = pipe.recv()
        for each in told:
            if each not in known:
                known[each] = rule_of(each[1])
        pipe.send(judge(frame, rules=[known[each] for each in told]).select(*RESULT_SCHEMA))


def main() -> None:
    with Connection(int(sys.argv[1])) as pipe:
        try:
            _serve(pipe)
        except (*_GONE, KeyboardInterrupt):
            return


if __name__ == "__main__":
    main()
