from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random

import openai
import pytest

from orchestration.demo.models import MODELS, REGRESSED_MODEL, reply
from orchestration.demo.provider import Provider, serve
from orchestration.demo.tasks import TASKS, request_body
from orchestration.demo.traffic import Plan, day_records, load_plan

ANCHOR = date(2026, 11, 20)
PLAN = Plan(anchor=ANCHOR, until=datetime(2026, 11, 20, 12, tzinfo=UTC))


def test_a_day_of_traffic_is_the_same_whenever_it_is_asked_for() -> None:
    day = ANCHOR - timedelta(days=3)
    later = Plan(anchor=ANCHOR, until=PLAN.until + timedelta(days=2))
    assert list(day_records(day, plan=PLAN)) == list(day_records(day, plan=later))


def test_no_call_of_the_demo_ends_after_now() -> None:
    records = list(day_records(ANCHOR, plan=PLAN))
    assert records
    assert all(datetime.fromisoformat(record["ended_at"]) < PLAN.until for record in records)


def test_the_anchor_of_the_first_run_stays(tmp_path: Path) -> None:
    first = load_plan(tmp_path, now=PLAN.until)
    later = load_plan(tmp_path, now=PLAN.until + timedelta(days=5))
    assert later.anchor == first.anchor == ANCHOR
    assert later.regression == first.regression


def test_the_regressed_model_fails_far_more_often_than_before() -> None:
    model = next(model for model in MODELS if model.name == REGRESSED_MODEL)
    rng = Random(7)
    prompts = [TASKS[number % 3].ask(rng, "en") for number in range(600)]
    good = sum(reply(model, prompt, rng=rng).failure is not None for prompt in prompts)
    bad = sum(reply(model, prompt, rng=rng, regressed=True).failure is not None for prompt in prompts)
    assert bad > 5 * good > 0


def test_both_languages_and_every_model_are_in_the_traffic() -> None:
    records = list(islice(day_records(ANCHOR - timedelta(days=1), plan=PLAN), 800))
    assert {record["tags"]["language"] for record in records} == {"en", "ko"}
    assert {record["requested_model"] for record in records} == {model.name for model in MODELS}


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_the_provider_answers_the_official_sdk(is_streamed: bool) -> None:
    task = TASKS[1]
    body = request_body(task, task.ask(Random(3), "ko"), model="aurora-large", stream=is_streamed)
    async with (
        serve(Provider(speed=10_000)) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as client,
    ):
        answer = await client.chat.completions.create(**body)
        if is_streamed:
            parts = [chunk.choices[0].delta.content or "" async for chunk in answer if chunk.choices]
            text = "".join(parts)
        else:
            text = answer.choices[0].message.content
            assert answer.usage.total_tokens > 0
    assert "order_id" in text


async def test_an_unknown_model_is_the_providers_404() -> None:
    async with serve(Provider()) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as client:
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="nope", messages=[{"role": "user", "content": "hi"}])
