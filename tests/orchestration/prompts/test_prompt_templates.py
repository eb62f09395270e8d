"""Prompt templates of landed calls: found once, kept for good, the same however the calls came."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl
from orchestration.prompts import prompt_template_queries as queries
from orchestration.prompts.prompt_templates import NO_TEXT, MiningResult, mine_window
from orchestration.windows import Window
from tests.orchestration.prompts.prompts import add_prompts, templates_by_prompt
from tests.orchestration.seeding import DAY, DAY_START, count, plan_nodes, rows

Connection = psycopg.Connection[TupleRow]
REPOSITORY = Path(__file__).resolve().parents[3]
NEXT = Window(DAY.end, DAY.end + timedelta(days=1))

LIMIT = "I want to increase the limit of my card {} for a while"
BLOCK = "Please block my card {} at once, I lost it"
STATE = "select * from evaluation.{} order by 1, 2"


@pytest.fixture
def connection(warehouse: DatabaseUrl) -> Iterator[Connection]:
    with connect(warehouse, autocommit=True, application_name="tests") as opened:
        yield opened


def prompts(n: int) -> list[str]:
    """Of two templates, with a number each; every third has a word more."""
    return [
        (LIMIT if number % 2 else BLOCK).format(4111_0000 + number) + (" please" if number % 3 == 0 else "")
        for number in range(n)
    ]


def state(connection: Connection) -> list[list[TupleRow]]:
    """All that was written, times of writing included."""
    tables = ("prompt_templates", "prompt_forms", "prompt_assignments")
    return [rows(connection, STATE.format(table)) for table in tables]  # type: ignore[arg-type]


def test_calls_of_one_template_share_its_id(connection: Connection) -> None:
    add_prompts(connection, prompts(12))

    result = mine_window(connection, [DAY])

    assert result == MiningResult(n_calls=12, n_forms=4, n_templates=2)
    found = templates_by_prompt(connection)
    assert len({found[text] for text in prompts(12)[::2]}) == 1
    assert len(set(found.values())) == 2
    texts = rows(
        connection, "select template from evaluation.prompt_templates where origin = 'mined' order by 1"
    )
    assert texts == [
        ("i want to increase the limit of my card <*> for a while",),
        ("please block my card <*> at once i lost it",),
    ]


def test_a_second_run_changes_nothing(connection: Connection) -> None:
    add_prompts(connection, [*prompts(8), None])
    mine_window(connection, [DAY])
    before = state(connection)

    assert mine_window(connection, [DAY]) == MiningResult()
    assert state(connection) == before


def test_only_new_calls_are_read(connection: Connection) -> None:
    add_prompts(connection, prompts(10))
    mine_window(connection, [DAY])
    later = DAY_START + timedelta(hours=1)
    add_prompts(
        connection, ["Please block my card 99 at once, I lost it", "What are my options?"], start=later
    )

    result = mine_window(connection, [DAY])

    assert result == MiningResult(n_calls=2, n_forms=1, n_templates=1)


def test_ids_do_not_depend_on_the_order_of_arrival(
    connection: Connection, empty_database: DatabaseUrl
) -> None:
    texts = prompts(40)
    add_prompts(connection, texts)
    mine_window(connection, [DAY])
    shuffled = random.Random(7).sample(texts, len(texts))
    migrate(empty_database)
    with connect(empty_database, autocommit=True) as other:
        add_prompts(other, shuffled, seed="b")
        mine_window(other, [DAY])
        assert templates_by_prompt(other) == templates_by_prompt(connection)


def test_a_backfill_of_an_older_day_changes_no_id_and_moves_first_seen_back(connection: Connection) -> None:
    add_prompts(connection, prompts(6), start=NEXT.start)
    mine_window(connection, [NEXT])
    before = templates_by_prompt(connection)
    add_prompts(connection, [*prompts(4), "What are my options?"])

    mine_window(connection, [DAY, NEXT])

    after = templates_by_prompt(connection)
    assert {text: after[text] for text in before} == before
    seen = rows(connection, "select min(first_seen), max(first_seen) from evaluation.prompt_templates")
    assert seen == [(DAY_START, DAY_START + timedelta(seconds=4))]


def test_the_callers_own_name_comes_first_and_belongs_to_its_project(connection: Connection) -> None:
    add_prompts(connection, prompts(6))
    connection.execute(
        "update raw.llm_calls set prompt_name = 'limits', prompt_version = 'v' || call_id,"
        " project = case when started_at < %s then 'chat' else 'search' end where started_at < %s",
        (DAY_START + timedelta(seconds=2), DAY_START + timedelta(seconds=4)),
    )

    result = mine_window(connection, [DAY])

    assert (result.n_calls, result.n_named) == (6, 4)
    named = rows(
        connection,
        "select template, project, count(*) from evaluation.prompt_templates"
        " inner join evaluation.prompt_assignments using (template_id)"
        " where origin = 'caller' group by 1, 2 order by 2",
    )
    assert named == [("limits", "chat", 2), ("limits", "search", 2)]


def test_a_call_without_text_says_so(connection: Connection) -> None:
    add_prompts(connection, [None, "  ", *prompts(2)])
    with connection.transaction():
        connection.execute(
            "update raw.llm_calls set endpoint = '/v1/embeddings' where started_at = %s",
            (DAY_START + timedelta(seconds=2),),
        )

    assert mine_window(connection, [DAY]).n_without_text == 3
    assert count(connection, "evaluation.prompt_assignments") == 4
    template = rows(
        connection, "select template_id from evaluation.prompt_templates where template = '(no prompt text)'"
    )
    assert template == [(NO_TEXT,)]


def test_a_newer_miner_does_its_calls_again_and_keeps_what_is_the_same(connection: Connection) -> None:
    add_prompts(connection, prompts(6))
    mine_window(connection, [DAY])
    before = templates_by_prompt(connection)

    result = mine_window(connection, [DAY], miner="9.9.9")

    assert result.n_calls == 6
    assert templates_by_prompt(connection) == before, "the same forms make the same ids"
    assert count(connection, "evaluation.prompt_assignments", where="miner = '9.9.9'") == 6
    assert mine_window(connection, [DAY], miner="9.9.9") == MiningResult()


def test_a_prompt_is_read_for_its_kind_and_equal_ones_are_known(connection: Connection) -> None:
    """Documents that begin alike are not the same prompt; a named prompt is read, too."""
    document = "Summarize this text: " + "The cat sat on the mat and it was warm. " * 600
    add_prompts(connection, [LIMIT, document + "1", document + "2", LIMIT, "  ", None])
    connection.execute("update raw.llm_calls set prompt_name = 'n' where started_at = %s", (DAY_START,))
    mine_window(connection, [DAY])

    found = rows(
        connection,
        "select prompt_class, language, n_characters, prompt_hash, reader from evaluation.prompt_assignments"
        " order by started_at",
    )
    assert [row[:3] for row in found] == [
        ("other", "en", len(LIMIT)),
        ("summary", "en", len(document) + 1),
        ("summary", "en", len(document) + 1),
        ("other", "en", len(LIMIT)),
        (None, None, None),
        (None, None, None),
    ]
    hashes = [row[3] for row in found]
    assert hashes[0] == hashes[3]
    assert hashes[1] != hashes[2]
    assert hashes[4] is hashes[5] is None


def test_calls_that_nobody_has_read_for_their_kind_are_read_again(connection: Connection) -> None:
    """As after an upgrade: the templates stay, the kinds come."""
    add_prompts(connection, prompts(6))
    mine_window(connection, [DAY])
    before = rows(connection, "select * from evaluation.prompt_assignments order by started_at")
    connection.execute(
        "update evaluation.prompt_assignments"
        " set reader = null, prompt_class = null, language = null, prompt_hash = null, n_characters = null"
    )

    assert mine_window(connection, [DAY]) == MiningResult(n_calls=6)
    assert rows(connection, "select * from evaluation.prompt_assignments order by started_at") == before


def test_hostile_prompts_are_prompts(connection: Connection) -> None:
    hostile = [
        "\\.",
        "\\N",
        "a\tb\\n\nc",
        "'; drop table evaluation.prompt_templates; --",
        "%s {} $1",
        "👩🏽‍🚀" * 9,
    ]
    add_prompts(connection, [*hostile, "x" * 300_000, "ㅋ" * 300_000])

    assert mine_window(connection, [DAY]).n_calls == 8
    assert mine_window(connection, [DAY]) == MiningResult()


KILLED = """
import os, signal, sys
from ingest.database.connect import connect
from ingest.database.url import parse_url
from orchestration.prompts import prompt_templates
from orchestration.windows import day_window
import datetime

original = prompt_templates._match_new_forms
tries = []
def match(connection, *, miner):
    tries.append(1)
    if len(tries) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(connection, miner=miner)
prompt_templates._match_new_forms = match
with connect(parse_url(sys.argv[1]), autocommit=True) as connection:
    first = datetime.date.fromisoformat(sys.argv[2])
    days = [first, first + datetime.timedelta(days=1)]
    prompt_templates.mine_window(connection, [day_window(day) for day in days])
"""


def test_a_killed_run_keeps_whole_days_and_the_next_one_does_the_rest(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    add_prompts(connection, prompts(6))
    add_prompts(connection, prompts(6), start=NEXT.start)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, warehouse.libpq(), DAY_START.date().isoformat()],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert count(connection, "evaluation.prompt_assignments") == 6

    assert mine_window(connection, [DAY, NEXT]).n_calls == 6
    assert len(set(templates_by_prompt(connection).values())) == 2


def test_work_grows_with_new_calls_and_reads_one_month(connection: Connection) -> None:
    add_prompts(connection, prompts(6))
    with connection.transaction():
        connection.execute("select ingest.ensure_month('2026-09-01')")
    given: dict[str, object] = {
        "start": DAY.start,
        "end": DAY.end,
        "miner": "1.0.0",
        "reader": "1.0.0",
        "most_characters": 100,
    }
    nodes = plan_nodes(connection, queries.NEW_CALLS, given)
    read = {node["Relation Name"] for node in nodes if "Relation Name" in node}
    assert read and all(name.endswith("_y2026m10") for name in read)


def test_a_template_is_found_by_its_bands_not_by_reading_all(connection: Connection) -> None:
    with connection.transaction():
        connection.execute(
            "insert into evaluation.prompt_templates (template_id, origin, template, miner, bands)"
            " select gen_random_uuid(), 'mined', 't' || n, '1.0.0', array[n, n + 1000000]::bigint[]"
            " from generate_series(1, 20000) as n"
        )
    connection.execute("vacuum analyze evaluation.prompt_templates")
    given: dict[str, object] = {"numbers": [0, 0, 1], "keys": [5, 6, 7], "miner": "1.0.0"}
    nodes = plan_nodes(connection, queries.CANDIDATES, given)
    assert "prompt_templates_bands" in {node.get("Index Name") for node in nodes}
