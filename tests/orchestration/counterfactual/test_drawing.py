"""Which recorded prompts a sample has."""

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.counterfactual.drawing import Draw, Population, draw_sample
from orchestration.counterfactual.loading import load_prompts
from orchestration.counterfactual.strata import OTHERS, allot
from orchestration.windows import day_window
from tests.orchestration.counterfactual.playing import TODAY, YESTERDAY, Said, land, questions

Connection = psycopg.Connection[TupleRow]
WINDOW = day_window(YESTERDAY.date())


def drawn(
    connection: Connection, *, sample: int = 100, seed: int = 1, keep: Any = "full", **which: Any
) -> Draw:
    population = Population(window=WINDOW, **which)
    return draw_sample(connection, population, sample=sample, seed=seed, keep=keep)


def ids(draw: Draw) -> list[str]:
    return [str(call.call_id) for call in draw.calls]


def test_strata_are_drawn_in_proportion_and_a_rare_one_is_not_lost(connection: Connection) -> None:
    land(connection, questions(80, model="common") + questions(6, model="rare", name="R"))
    draw = drawn(connection, sample=20)
    assert draw.sizes == {"common": 80, "rare": 6}
    assert Counter(call.stratum for call in draw.calls) == {"common": 17, "rare": 3}
    assert draw.n_population == 86


def test_a_seed_draws_the_same_calls_whatever_else_lands_and_another_seed_others(
    connection: Connection,
) -> None:
    land(connection, questions(60))
    first = drawn(connection, sample=10)
    assert ids(drawn(connection, sample=10)) == ids(first)
    assert set(ids(drawn(connection, sample=10, seed=2))) != set(ids(first))
    larger = drawn(connection, sample=20)
    assert set(ids(first)) < set(ids(larger))
    times = [call.started_at for call in drawn(connection, sample=60).calls]
    assert times != sorted(times)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"body_state": "none", "request": None, "input_text": None, "output_text": None}, "no text kept"),
        ({"status": "error"}, "not answered"),
        ({"endpoint": "/v1/embeddings"}, "no chat"),
        ({"project": "legal"}, "private now"),
        ({"project": "clinic"}, "private now"),
    ],
)
def test_what_may_not_be_sent_is_left_out_and_counted(
    changes: dict[str, Any], reason: str, connection: Connection
) -> None:
    connection.execute(
        "insert into access.projects (project, keep) values ('legal', 'none'), ('clinic', 'masked')"
    )
    land(connection, questions(3))
    land(connection, questions(2, name="P"), **changes)
    draw = drawn(connection)
    assert (len(draw.calls), draw.left_out) == (3, {reason: 2})


def test_a_masked_text_goes_out_as_it_is_kept(connection: Connection) -> None:
    connection.execute("insert into access.projects (project, keep) values ('*', 'masked')")
    land(connection, [Said("mail [email] to me"), Said("and [phone]")], body_state="masked")
    land(connection, questions(2))
    draw = drawn(connection)
    prompts, _ = load_prompts(connection, draw, at=TODAY)
    assert {prompt.item.opening[0].text for prompt in prompts} == {"mail [email] to me", "and [phone]"}
    assert draw.left_out == {"private now": 2}


def test_a_home_that_keeps_nothing_sends_nothing(connection: Connection) -> None:
    land(connection, questions(2))
    with pytest.raises(ValueError, match="left out: 2 private now"):
        drawn(connection, keep="none")


def test_judges_replays_and_other_days_are_no_traffic(connection: Connection) -> None:
    land(connection, questions(2))
    land(connection, questions(2, name="J"), purpose="judge")
    land(connection, questions(2, name="R"), purpose="replay")
    land(connection, questions(2, name="D"), at=YESTERDAY - timedelta(days=3))
    assert len(drawn(connection).calls) == 2


def test_a_request_for_more_than_a_text_is_not_replayed(connection: Connection) -> None:
    land(connection, questions(2))
    picture = [{"type": "image_url", "image_url": {"url": "data:,"}}, {"type": "text", "text": "what is it?"}]
    for more in ({"tools": [{"type": "function"}]}, {"messages": [{"role": "user", "content": picture}]}):
        request = {"model": "old", "messages": [{"role": "user", "content": "T"}], **more}
        land(connection, [Said("T")], request=json.dumps(request).encode())
    prompts, left_out = load_prompts(connection, drawn(connection), at=TODAY)
    assert (len(prompts), left_out) == (2, {"asks for more than a text": 2})


def test_a_text_that_has_gone_since_is_counted(connection: Connection) -> None:
    land(connection, questions(3))
    draw = drawn(connection)
    connection.execute("delete from raw.llm_bodies where call_id = %s", (draw.calls[0].call_id,))
    prompts, left_out = load_prompts(connection, draw, at=TODAY)
    assert (len(prompts), left_out) == (2, {"text is gone": 1})


@pytest.mark.parametrize("sample", [2, 7, 20, 99, 1_000])
def test_an_allotment_adds_up_and_takes_no_more_than_there_is(sample: int) -> None:
    sizes = {"a": 500, "b": 90, "c": 9, "d": 1}
    counts = allot(sizes, sample=sample)
    assert sum(counts.values()) == min(sample, 600)
    assert all(count <= sizes.get(name, 600) for name, count in counts.items())


def test_many_small_strata_are_one() -> None:
    counts = allot({f"s{n}": 100 - n for n in range(50)}, sample=20)
    assert len(counts) == 5
    assert counts[OTHERS] > sum(count for name, count in counts.items() if name != OTHERS) / 4
    assert sum(counts.values()) == 20
