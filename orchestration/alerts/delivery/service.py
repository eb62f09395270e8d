"""`lqo sender`: a thread a channel, so that one that hangs keeps no other waiting."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from ingest.database.connect import DatabaseUnavailable, connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.delivery.channel import Channel, Reply
from orchestration.alerts.delivery.channels import build_channels
from orchestration.alerts.delivery.claims import Claim, claim_next, settle
from orchestration.alerts.delivery.outbox import Connection, drop_points, reroute
from orchestration.alerts.delivery.plan import Plan, channels_path, current_plan
from orchestration.alerts.delivery.sender import deliver
from orchestration.alerts.delivery.text import one_line

log = logging.getLogger("lqo.sender")

POLL_SECONDS = 0.5
"""An alert leaves within this of its commit; an idle look costs a quarter of a millisecond."""
LOOK_SECONDS = 2.0
CHORES_SECONDS = 60.0
TIDY_SECONDS = 3600.0
LONGEST_WAIT = 15.0
_TROUBLE = (DatabaseUnavailable, psycopg.OperationalError, psycopg.InterfaceError)


@dataclass(slots=True)
class Worker:
    """Empties the outbox for one channel, until it is told to stop.

    An outcome that could not be written, as Postgres went away, is kept and written once it is back: else
    the message would go out again.
    """

    channel: Channel
    url: DatabaseUrl
    stop: threading.Event
    _open: tuple[Claim, Reply] | None = field(default=None)

    def run(self) -> None:
        """Work, and wait for a database that is down."""
        wait = POLL_SECONDS
        while not self.stop.is_set():
            try:
                with connect(self.url, autocommit=True, application_name="lqo sender") as connection:
                    wait = POLL_SECONDS
                    self._work(connection)
            except _TROUBLE as error:
                log.warning("%s: the database is away: %s", self.channel.name, one_line(str(error), most=200))
                self.stop.wait(wait)
                wait = min(LONGEST_WAIT, wait * 2)
            except Exception:
                log.exception("%s: the sender failed", self.channel.name)
                self.stop.wait(LONGEST_WAIT)

    def _work(self, connection: Connection) -> None:
        while True:
            self._settle(connection)
            if self.stop.is_set():
                return
            claim = claim_next(connection, channel=self.channel.name, limits=self.channel.limits)
            if claim is None:
                self.stop.wait(POLL_SECONDS)
                continue
            self._open = claim, deliver(self.channel, claim)

    def _settle(self, connection: Connection) -> None:
        if self._open is None:
            return
        claim, reply = self._open
        settle(connection, claim, reply)
        self._open = None
        if reply.is_ok:
            log.info("%s: sent %s (%d)", claim.channel, claim.parcel.key, claim.n_messages)
        else:
            log.warning("%s: %s not sent: %s", claim.channel, claim.parcel.key, reply.detail)


def run_sender(
    url: DatabaseUrl,
    *,
    stop: threading.Event,
    environ: Mapping[str, str],
    build: Callable[[Plan, Mapping[str, str]], list[Channel]] = build_channels,
) -> None:
    """Run until `stop`; takes up an edited channels.yaml within seconds, and keeps the last good one."""
    path, seen, team = channels_path(environ), object(), _Team(url)
    done_at, tidied_at, plan = float("-inf"), float("-inf"), current_plan(environ)
    while not stop.is_set():
        if (now_seen := _state(path)) != seen:
            seen, plan, done_at = now_seen, current_plan(environ), float("-inf")
            if plan.problem is not None:
                log.error("%s; %s", plan.problem, "going on as before" if team.workers else "alerts wait")
            if plan.problem is None or not team.workers:
                team.change(build(plan, environ))
                log.info("channels: %s", ", ".join(plan.names) or "none is set; alerts wait")
        if time.monotonic() - done_at >= CHORES_SECONDS:
            done_at = time.monotonic()
            is_hourly = done_at - tidied_at >= TIDY_SECONDS
            tidied_at = done_at if is_hourly else tidied_at
            _do_chores(url, plan, environ, is_hourly=is_hourly)
        stop.wait(LOOK_SECONDS)
    team.change([])


@dataclass(slots=True)
class _Team:
    """The threads that run, which end before others begin."""

    url: DatabaseUrl
    workers: list[tuple[Worker, threading.Thread]] = field(
        default_factory=list[tuple[Worker, threading.Thread]]
    )

    def change(self, channels: list[Channel]) -> None:
        for worker, _ in self.workers:
            worker.stop.set()
        for _, thread in self.workers:
            thread.join()
        made = [Worker(channel, self.url, threading.Event()) for channel in channels]
        self.workers = [(one, threading.Thread(target=one.run, name=one.channel.name)) for one in made]
        for _, thread in self.workers:
            thread.start()


def _do_chores(url: DatabaseUrl, plan: Plan, environ: Mapping[str, str], *, is_hourly: bool) -> None:
    """What is due each minute, and each hour; what fails is done the next time."""
    try:
        with connect(url, autocommit=True, application_name="lqo sender") as connection:
            if n_routed := reroute(connection, plan):
                log.info("routed %d alerts that had waited for channels.yaml", n_routed)
            if environ.get("ALERTMANAGER_URL", "").strip():
                from orchestration.alerts.alertmanager.keeping import keep_alive

                keep_alive(connection, environ=environ, now=datetime.now(UTC))
            if is_hourly:
                drop_points(connection)
    except Exception as error:
        log.warning("%s", one_line(str(error) or type(error).__name__, most=200))


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
