"""Asking again: what is tried again, how long is waited, and when it is over."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

import pytest

from evaluators.judging.asking import ask
from evaluators.judging.retrying import Pause, RetryPolicy, is_retried, retry_after
from tests.evaluators.judging.samples import QUICK, client_of, item, spec
from tests.judge_endpoint import JudgeEndpoint, Reply, error, running_judge_endpoint


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
async def test_a_passing_error_is_tried_again_and_every_attempt_is_told(status: int) -> None:
    async with running_judge_endpoint() as endpoint, client_of(endpoint) as client:
        endpoint.script.append(error(status))
        judgement = await ask(client, spec(), item())
    assert judgement.value is not None
    assert [attempt.status for attempt in judgement.attempts] == [status, 200]
    assert endpoint.paid == 1


async def test_a_connection_that_is_reset_is_tried_again() -> None:
    async with running_judge_endpoint() as endpoint, client_of(endpoint) as client:
        endpoint.script.append(Reply(resets=True))
        judgement = await ask(client, spec(), item())
    assert judgement.value is not None
    assert [attempt.status for attempt in judgement.attempts] == [None, 200]
    assert judgement.attempts[0].error


async def test_an_answer_that_does_not_come_in_time_is_given_up_and_asked_for_again() -> None:
    retry = RetryPolicy(attempts=2, first_wait_s=0.001, timeout_s=0.3)
    async with running_judge_endpoint() as endpoint, client_of(endpoint, retry=retry) as client:
        endpoint.script.append(Reply(delay_s=30))
        judgement = await ask(client, spec(), item())
    assert judgement.value is not None
    assert [attempt.error for attempt in judgement.attempts] == ["timeout", None]


async def test_an_error_that_stays_is_unscored_after_the_last_attempt() -> None:
    async with running_judge_endpoint() as endpoint, client_of(endpoint) as client:
        endpoint.answer = lambda body: error(500, message="boom")
        judgement = await ask(client, spec(), item())
    assert (judgement.value, judgement.unscored_reason) == (None, "error")
    assert "boom" in judgement.details["detail"]
    assert endpoint.requests == QUICK.attempts == len(judgement.attempts)
    assert b"boom" in judgement.raw_response


async def test_an_endpoint_that_is_not_there_is_an_error_with_the_request_kept() -> None:
    async with client_of(JudgeEndpoint(url="http://127.0.0.1:9/v1")) as client:
        judgement = await ask(client, spec(), item())
    assert judgement.unscored_reason == "error"
    assert judgement.raw_request
    assert "no answer" in judgement.details["detail"]


async def test_an_error_inside_a_200_is_tried_again_like_its_code() -> None:
    async with running_judge_endpoint() as endpoint, client_of(endpoint) as client:
        endpoint.script.append(Reply(body=b'{"error": {"code": 429, "message": "slow down"}}'))
        judgement = await ask(client, spec(), item())
    assert [attempt.status for attempt in judgement.attempts] == [429, 200]


async def test_nobody_asks_before_the_time_that_retry_after_names() -> None:
    async with running_judge_endpoint() as endpoint, client_of(endpoint) as client:
        endpoint.script.append(error(429, headers={"retry-after-ms": "400"}))
        await ask(client, spec(), item(number=1))
        refused, answered = endpoint.ledger
    assert answered.at - refused.at >= 0.4


async def test_a_pause_asked_of_one_call_holds_back_the_others() -> None:
    async with running_judge_endpoint() as endpoint, client_of(endpoint) as client:
        began = datetime.now(UTC)
        client.pause.extend(0.4)
        judgement = await ask(client, spec(), item())
    assert judgement.asked_at is not None
    assert judgement.asked_at - began >= timedelta(seconds=0.39)


def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    pause = Pause()
    pause.extend(100)
    pause.extend(1)
    assert pause.left > 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "Wed, 99 Foo 99999999 07:28:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 30 < (retry_after({"retry-after": date}) or 0) <= 60


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (None, {}, True),
        (400, {}, False),
        (422, {}, False),
        (501, {}, False),
        (400, {"x-should-retry": "true"}, True),
        (500, {"x-should-retry": "false"}, False),
    ],
)
def test_the_endpoint_has_the_last_word_on_whether_to_try_again(
    status: int | None, headers: Mapping[str, str], expected: bool
) -> None:
    assert is_retried(status, headers) is expected


def test_waits_double_up_to_a_bound_and_are_never_the_same_for_two_callers() -> None:
    policy, random = RetryPolicy(first_wait_s=1, longest_wait_s=16), Random(1)
    for tries, most in enumerate((1, 2, 4, 8, 16, 16, 16), start=1):
        waits = [policy.wait(tries, random=random) for _ in range(200)]
        assert all(most / 2 <= wait <= most for wait in waits)
        assert max(waits) - min(waits) > most / 3
    assert policy.wait(100_000, random=random) <= 16
