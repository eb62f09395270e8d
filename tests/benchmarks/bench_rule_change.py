"""A month judged again after the version of one rule changed: only that rule runs, the rest carries over.

    LQO_BENCH_DATABASE_URL=postgresql://… python -m tests.benchmarks.bench_rule_change [--days N] [--rows N]

Thirty days of 20,000 real answers (M-IFEval, MT-Bench) with requests, and their results under twelve shipped
rules and a written regex rule. The regex rule gets another version, and the days are judged again in runs of
at most seven, as a backfill cuts them. Read to written, by the clock. Makes a database on that server (the
embedded one without the variable) and drops it. Bars: 20,000 calls a second on two cores; no call on which
another rule ran; verdicts equal to those of all rules run anew.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES
from evaluators.rules.written.definition import read_definition
from evaluators.rules.written.rule import written_rule
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.uuid7 import derived_uuid7
from orchestration.rules.rule_sets import register_rule_set
from orchestration.rules.scoring import score_window
from orchestration.windows import DAY, Window, day_window
from tests.benchmarks.bench_concurrent_windows import database
from tests.benchmarks.bench_rules import DATA, real_calls
from tests.benchmarks.bench_scoring import START, land

# As orchestration.partitions cuts a backfill.
DAYS_A_RUN = 7

# The first day is judged for real; the other days are copies of it, a day later each.
COPY_CALLS = """
insert into raw.llm_calls (
    call_id, started_at, source, endpoint, provider, requested_model, status, finish_reason, latency_ms,
    load_id, content_hash
)
select new_id, started_at + %(shift)s, source, endpoint, provider, requested_model, status, finish_reason,
    latency_ms, load_id, content_hash
from raw.llm_calls inner join copies using (call_id)
where started_at >= %(start)s and started_at < %(end)s
"""
COPY_BODIES = """
insert into raw.llm_bodies (call_id, started_at, request, input_text, output_text)
select new_id, started_at + %(shift)s, request, input_text, output_text
from raw.llm_bodies inner join copies using (call_id)
where started_at >= %(start)s and started_at < %(end)s
"""
COPY_RESULTS = """
insert into evaluation.rule_results (started_at, call_id, rule_set_version, failed, unscored, evidence)
select started_at + %(shift)s, new_id, rule_set_version, failed, unscored, evidence
from evaluation.rule_results inner join copies using (call_id)
where started_at >= %(start)s and started_at < %(end)s
"""
COUNT_DIFFERENT = """
select count(*) from evaluation.rule_results as carried
inner join evaluation.rule_results as anew using (started_at, call_id)
where carried.rule_set_version = %(carried)s and anew.rule_set_version = %(anew)s
    and carried.started_at >= %(start)s and carried.started_at < %(end)s
    and anew.started_at >= %(start)s and anew.started_at < %(end)s
    and (carried.failed, carried.unscored, carried.evidence) <> (anew.failed, anew.unscored, anew.evidence)
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lqo-bench-") as scratch, database(Path(scratch)) as url:
        return bench(url, real_calls(given.data, rows=given.rows), days=given.days)


def bench(url: DatabaseUrl, calls: pl.DataFrame, *, days: int) -> int:
    old, new = regex_rule("1.0.0", r"(?i)\b(?:certainly|of course)\b"), regex_rule("1.1.0", r"(?i)\bsure\b")
    with connect(url) as connection:
        land(connection, calls)
        score_window(connection, [day_window(START.date())], rules=[*RULES, old])
        for day in range(1, days):
            copy_day(connection, shift=DAY * day)
        with connection.transaction():
            connection.execute("analyze raw.llm_calls, raw.llm_bodies, evaluation.rule_results")
        ran = Counting(RULES)
        server = connection.info.backend_pid
        clocks = (time.perf_counter(), time.process_time(), processor_seconds(server))
        results = [
            score_window(connection, [window], rules=[*ran.rules, new]) for window in windows(days=days)
        ]
        seconds = time.perf_counter() - clocks[0]
        ours, theirs = time.process_time() - clocks[1], processor_seconds(server) - clocks[2]
        n_carried = sum(result.n_carried for result in results)
        n_scored = sum(result.n_scored for result in results)
        n_different = different(connection, new=new, carried=results[-1].rule_set_version)
    rate = n_carried / seconds
    print(f"{n_carried:,} calls in {seconds:.1f} s: {rate:,.0f} calls/s by the clock")
    mine, its = ours / n_carried * 1e6, theirs / n_carried * 1e6
    print(f"processor time a call: {mine:.1f} µs here, {its:.1f} µs in the server, one after the other:")
    print(f"{n_carried / (ours + theirs):,.0f} calls/s on a machine without other work")
    print(f"other rules ran on {ran.n_calls:,} calls; wholly judged {n_scored:,}; different {n_different:,}")
    is_whole = n_carried == days * calls.height and not (n_scored or ran.n_calls or n_different)
    return 0 if is_whole and rate >= 20_000 else 1


def processor_seconds(pid: int) -> float:
    """Processor time of a process of this machine so far; 0 for one of another machine."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def regex_rule(version: str, pattern: str) -> Rule:
    return written_rule(read_definition({"id": "chatty", "version": version, "regex": {"pattern": pattern}}))


def windows(*, days: int) -> list[Window]:
    """The days in runs of a backfill."""
    end = START + DAY * days
    starts = [START + DAY * day for day in range(0, days, DAYS_A_RUN)]
    return [Window(start, min(start + DAY * DAYS_A_RUN, end)) for start in starts]


class Counting:
    """The rules, and how many calls any of them is given."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.n_calls = 0
        self.rules = [self._counted(rule) for rule in rules]

    def _counted(self, rule: Rule) -> Rule:
        def check(frame: pl.DataFrame) -> pl.DataFrame:
            self.n_calls += frame.height
            return rule.check(frame)

        check.__module__ = rule.check.__module__
        return Rule(
            rule.name, rule.version, rule.severity, rule.description, rule.requires, check, rule.config
        )


def copy_day(connection: Connection[TupleRow], *, shift: timedelta) -> None:
    """The first day's calls, bodies and results again, `shift` later, under ids of that time."""
    window = day_window(START.date())
    given = {"start": window.start, "end": window.end, "shift": shift}
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("select ingest.ensure_month(%s::date)", (window.start + shift,))
        keys = cursor.execute(
            "select call_id, started_at from raw.llm_calls where started_at >= %(start)s"
            " and started_at < %(end)s order by started_at, call_id",
            given,
        ).fetchall()
        cursor.execute("create temp table copies (call_id uuid, new_id uuid) on commit drop")
        with cursor.copy("copy copies from stdin") as copy:
            for number, (call_id, started_at) in enumerate(keys):
                copy.write_row((call_id, derived_uuid7(started_at + shift, key=str(number).encode())))
        cursor.execute("analyze copies")
        for statement in (COPY_CALLS, COPY_BODIES, COPY_RESULTS):
            cursor.execute(statement, given)


def different(connection: Connection[TupleRow], *, new: Rule, carried: int) -> int:
    """Calls of the first day whose carried result is not what all rules, run anew, give."""
    window = day_window(START.date())
    with connection.transaction():
        connection.execute("delete from evaluation.rule_results where rule_set_version <> %s", (carried,))
        # A set that shares no version with any other has nothing to carry.
        fresh = [
            Rule(each.name, each.version + "-anew", each.severity, "", each.requires, each.check, each.config)
            for each in (*RULES, new)
        ]
    anew = register_rule_set(connection, fresh).version
    score_window(connection, [window], rules=fresh)
    given = {"carried": carried, "anew": anew, "start": window.start, "end": window.end}
    with connection.transaction():
        row = connection.execute(COUNT_DIFFERENT, given).fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    sys.exit(main())
