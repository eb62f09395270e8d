"""Metabase is told once what our cards are, and its SQL runs on filled marts."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import parse_url
from reports.metabase.bootstrap import bootstrap
from reports.metabase.cards import page_body, tags
from reports.metabase.catalogue import PAGES
from reports.metabase.client import Metabase, MetabaseError
from reports.questions import dialects
from reports.questions.question import all_questions, question
from tests.orchestration.bi.metabase_server import KEY, FakeMetabase, fake_metabase

pytestmark = pytest.mark.xdist_group("lqo_bi")

Connection = psycopg.Connection[TupleRow]
LOGIN = parse_url("postgresql://lqo_bi:secret@db.example.com:5433/warehouse?sslmode=require")
CARDS = list(dict.fromkeys(card.question for page in PAGES for card in page.cards))
# What stands in Grafana alone: lines on charts, and single calls.
GRAFANA_ONLY = {"change_marks", "call_list", "one_call"}


@pytest.fixture
def told() -> Iterator[FakeMetabase]:
    with fake_metabase() as running:
        yield running


def sql_of(name: str, **values: str) -> str:
    """As Metabase fills a native query in: a clause whose tag has no value goes, brackets and all."""

    def clause(match: re.Match[str]) -> str:
        names = set(re.findall(r"\{\{(\w+)\}\}", match[1]))
        return match[1] if names <= values.keys() else ""

    sql = re.sub(r"\[\[(.*?)\]\]", clause, question(name).written_for(dialects.metabase))
    return re.sub(r"\{\{(\w+)\}\}", lambda match: f"'{values[match[1]]}'", sql)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_finds_rows_of_its_span_and_runs_without_one(bi: Connection, name: str) -> None:
    span = {"since": "2026-11-01", "until": "2026-11-07"}
    assert bi.execute(sql_of(name, **span).encode()).fetchall()
    chosen = {"model": "model-0", "grain": "week", "evaluator": "helpfulness", "project": "project-0"}
    bi.execute(sql_of(name, **span, **chosen).encode())
    bi.execute(sql_of(name).encode())


def test_every_question_is_a_card_but_for_those_of_one_call() -> None:
    assert {asked.name for asked in all_questions()} == set(CARDS) | GRAFANA_ONLY
    titles = [asked.title for asked in all_questions()]
    assert len(set(titles)) == len(titles)


def test_an_empty_metabase_gets_everything(told: FakeMetabase) -> None:
    done = bootstrap(Metabase(told.url, api_key=KEY), database="LQO marts", login=LOGIN)
    assert (done.n_cards, done.n_dashboards) == (len(CARDS), len(PAGES))
    (database,) = told.asked("POST", "/api/database")
    assert database["engine"] == "postgres"
    assert database["details"] == {
        "host": "db.example.com",
        "port": 5433,
        "dbname": "warehouse",
        "user": "lqo_bi",
        "password": "secret",
        "ssl": True,
        "ssl-mode": "require",
        "schema-filters-type": "inclusion",
        "schema-filters-patterns": "marts",
    }
    cards = told.asked("POST", "/api/card")
    assert {card["collection_id"] for card in cards} == {done.collection_id}
    for card in cards:
        native = card["dataset_query"]["native"]
        assert set(native["template-tags"]) == set(re.findall(r"\{\{(\w+)\}\}", native["query"]))
        assert all(tag["id"] and tag["type"] in ("text", "date") for tag in native["template-tags"].values())


def test_filters_of_a_dashboard_reach_the_cards_that_have_them(told: FakeMetabase) -> None:
    bootstrap(Metabase(told.url, api_key=KEY), database="LQO marts", login=LOGIN)
    for page, body in zip(PAGES, told.asked("PUT", r"/api/dashboard/\d+"), strict=True):
        filters = {parameter["id"]: parameter["slug"] for parameter in body["parameters"]}
        assert body["name"] == page.title
        for card, place in zip(page.cards, body["dashcards"], strict=True):
            reached = [mapping["target"][1][1] for mapping in place["parameter_mappings"]]
            assert reached == tags(question(card.question))
            assert [filters[mapping["parameter_id"]] for mapping in place["parameter_mappings"]] == reached
        assert len({(place["row"], place["col"]) for place in body["dashcards"]}) == len(page.cards)


def test_a_second_run_makes_nothing_new(told: FakeMetabase) -> None:
    metabase = Metabase(told.url, api_key=KEY)
    bootstrap(metabase, database="LQO marts", login=LOGIN)
    places = [page["dashcards"] for page in told.kept["dashboard"].values()]
    told.requests.clear()
    bootstrap(metabase, database="LQO marts", login=None)
    assert told.asked("POST", ".*") == []
    assert [page["dashcards"] for page in told.kept["dashboard"].values()] == places
    assert len(told.asked("PUT", r"/api/card/\d+")) == len(CARDS)


def test_without_a_database_its_login_is_asked_for(told: FakeMetabase) -> None:
    with pytest.raises(MetabaseError, match="no database 'LQO marts' yet: give lqo_bi's URL"):
        bootstrap(Metabase(told.url, api_key=KEY), database="LQO marts", login=None)


def test_a_wrong_key_and_a_server_that_is_away_are_one_line_without_the_key(told: FakeMetabase) -> None:
    with pytest.raises(MetabaseError, match="401") as refused:
        bootstrap(Metabase(told.url, api_key="mb_wrong"), database="x", login=LOGIN)
    with pytest.raises(MetabaseError, match="refused") as away:
        bootstrap(Metabase("http://127.0.0.1:9", api_key="mb_wrong"), database="x", login=LOGIN)
    for error in (refused, away):
        assert "mb_wrong" not in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(MetabaseError, match="must begin with http"):
        Metabase("metabase:3000", api_key="")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            b"HTTP/1.1 302 Found\r\nLocation: {elsewhere}/api/database\r\nContent-Length: 0\r\n\r\n",
            "is at http",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no list; is this Metabase"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull", "no list; is this Metabase"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "no JSON; is this Metabase"),
    ],
    ids=["redirect", "another protocol", "another shape", "null", "a page"],
)
def test_what_is_no_metabase_is_one_line_and_no_other_server_gets_the_key(
    told: FakeMetabase, answer: bytes, message: str
) -> None:
    elsewhere = told.url.encode()
    with (
        answering(answer.replace(b"{elsewhere}", elsewhere)) as url,
        pytest.raises(MetabaseError, match=message) as refused,
    ):
        bootstrap(Metabase(url, api_key=KEY), database="x", login=LOGIN)
    assert "\n" not in str(refused.value) and KEY not in str(refused.value)
    assert told.requests == []


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that says the same whatever it is asked."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_every_page_says_what_it_is_about() -> None:
    for page in PAGES:
        assert page_body(page)["description"]
