"""The breaker and the retry budget on a clock of the test's own."""

import pytest

from ingest.access.breaker import LEASE_SECONDS, Breaker, RetryBudget
from ingest.access.window import Window


def breaker() -> Breaker:
    return Breaker(jitter=lambda low, high: 1.0)


def failing(tested: Breaker, n: int, *, now: float) -> None:
    for _ in range(n):
        tested.fail(now=now, is_trial=tested.begin(now=now))


def test_it_opens_at_ten_requests_of_which_half_failed() -> None:
    tested = breaker()
    for _ in range(5):
        tested.succeed(now=100.0, is_trial=tested.begin(now=100.0))
    failing(tested, 4, now=101.0)
    assert tested.allows(now=101.0)
    failing(tested, 1, now=101.0)
    assert tested.state(now=101.0) == "open"
    assert not tested.allows(now=101.0)


def test_failures_of_more_than_thirty_seconds_ago_do_not_count() -> None:
    tested = breaker()
    failing(tested, 9, now=100.0)
    failing(tested, 1, now=131.5)
    assert tested.state(now=131.5) == "closed"
    failing(tested, 9, now=132.0)
    assert tested.state(now=132.0) == "open"


def test_one_probe_decides_and_each_opening_is_twice_as_long_up_to_a_minute() -> None:
    tested = breaker()
    failing(tested, 10, now=100.0)
    now = 100.0
    for seconds in (5.0, 10.0, 20.0, 40.0, 60.0, 60.0):
        assert tested.state(now=now + seconds - 0.01) == "open"
        now += seconds
        assert tested.allows(now=now)
        is_trial = tested.begin(now=now)
        assert not tested.allows(now=now), "a second probe beside the first"
        tested.fail(now=now, is_trial=is_trial)
    now += 60.0
    tested.succeed(now=now, is_trial=tested.begin(now=now))
    assert tested.state(now=now) == "closed"
    failing(tested, 10, now=now)
    assert tested.reopens_in(now=now) == pytest.approx(5.0)


def test_answers_to_what_was_sent_before_it_opened_do_not_close_it() -> None:
    tested = breaker()
    early = tested.begin(now=100.0)
    failing(tested, 10, now=100.0)
    tested.succeed(now=101.0, is_trial=early)
    assert tested.state(now=101.0) == "open"
    tested.fail(now=106.0, is_trial=early)
    assert tested.state(now=106.0) == "half_open"


def test_retry_after_opens_at_once_and_wins_over_the_usual_time() -> None:
    tested = breaker()
    tested.fail(now=100.0, is_trial=tested.begin(now=100.0), retry_after=30.0)
    assert tested.state(now=129.9) == "open"
    assert tested.allows(now=130.0)
    failing(other := breaker(), 10, now=100.0)
    other.fail(now=101.0, is_trial=False, retry_after=100.0)
    assert other.reopens_in(now=101.0) == pytest.approx(100.0)


def test_a_probe_nobody_reports_on_is_given_up() -> None:
    tested = breaker()
    failing(tested, 10, now=100.0)
    tested.begin(now=105.0)
    assert not tested.allows(now=105.0 + LEASE_SECONDS - 1)
    assert tested.allows(now=105.0 + LEASE_SECONDS)
    tested.begin(now=200.0)
    tested.forget()
    assert tested.allows(now=200.0)


def test_the_last_closed_one_does_not_open() -> None:
    tested = breaker()
    for _ in range(50):
        tested.fail(now=100.0, is_trial=False, retry_after=9.0, may_open=False)
    assert tested.state(now=100.0) == "closed"


def test_retries_are_a_tenth_of_the_calls_or_ten_in_thirty_seconds() -> None:
    tested = RetryBudget()
    assert sum(tested.take(now=100.0) for _ in range(50)) == 10
    for _ in range(1000):
        tested.called(now=110.0)
    assert sum(tested.take(now=110.0) for _ in range(500)) == 90
    assert not tested.take(now=125.0)
    assert tested.take(now=131.5)
    assert sum(tested.take(now=200.0) for _ in range(50)) == 10


def test_a_window_forgets_slot_by_slot() -> None:
    tested = Window(30.0)
    for second in range(60):
        tested.add(1, now=float(second))
    assert tested.total(now=59.0) == 30
    assert tested.total(now=74.0) == 15
    assert tested.total(now=1000.0) == 0
