"""Token buckets on a clock that the test turns."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.limits.gcra import DEBT_NS, MINUTE_NS, Buckets, Denied, Draw

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 5_000 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def buckets(clock: Clock) -> Buckets:
    return Buckets(clock_ns=clock)


def requests(limit: int, *, bucket: str = "a") -> Draw:
    return Draw(bucket, "key", "requests", limit, 1)


def tokens(limit: int, units: int, *, bucket: str = "t") -> Draw:
    return Draw(bucket, "key", "tokens", limit, units)


def test_a_minutes_worth_passes_at_once_and_no_more(buckets: Buckets) -> None:
    passed = [not isinstance(buckets.take([requests(60)]), Denied) for _ in range(70)]
    assert passed == [True] * 60 + [False] * 10


def test_a_denied_call_is_told_the_wait_after_which_it_passes(buckets: Buckets, clock: Clock) -> None:
    for _ in range(30):
        buckets.take([requests(30)])
    denied = buckets.take([requests(30)])
    assert isinstance(denied, Denied)
    assert denied.wait_ns == 2 * SECOND
    clock.now += denied.wait_ns - 1
    assert isinstance(buckets.take([requests(30)]), Denied)
    clock.now += 1
    assert not isinstance(buckets.take([requests(30)]), Denied)


def test_of_several_buckets_all_are_drawn_or_none(buckets: Buckets) -> None:
    assert not isinstance(buckets.take([requests(1, bucket="small")]), Denied)
    for _ in range(5):
        denied = buckets.take([requests(10, bucket="large"), requests(1, bucket="small")])
        assert isinstance(denied, Denied)
        assert denied.draw.bucket == "small"
    levels = buckets.take([requests(10, bucket="large")])
    assert not isinstance(levels, Denied)
    assert levels[0].remaining == 9


def test_the_real_use_gives_back_what_was_drawn_too_much(buckets: Buckets) -> None:
    draw = tokens(1000, 900)
    buckets.take([draw])
    buckets.correct(draw, used=100)
    levels = buckets.take([tokens(1000, 900)])
    assert not isinstance(levels, Denied)
    assert levels[0].remaining == 0


def test_a_call_that_used_more_than_was_drawn_is_paid_for_by_waiting(buckets: Buckets, clock: Clock) -> None:
    draw = tokens(1000, 10)
    buckets.take([draw])
    buckets.correct(draw, used=3000)
    denied = buckets.take([tokens(1000, 10)])
    assert isinstance(denied, Denied)
    assert denied.wait_ns == 2 * MINUTE_NS + 10 * MINUTE_NS // 1000
    clock.now += denied.wait_ns
    assert not isinstance(buckets.take([tokens(1000, 10)]), Denied)


def test_no_debt_lasts_longer_than_ten_minutes(buckets: Buckets, clock: Clock) -> None:
    draw = tokens(1000, 1)
    buckets.take([draw])
    buckets.correct(draw, used=10**9)
    clock.now += DEBT_NS
    assert not isinstance(buckets.take([tokens(1000, 1000)]), Denied)


def test_a_negative_use_gives_back_no_more_than_was_drawn(buckets: Buckets) -> None:
    draw = tokens(1000, 500)
    buckets.take([draw])
    buckets.correct(draw, used=-10_000)
    buckets.take([tokens(1000, 1000)])
    assert isinstance(buckets.take([tokens(1000, 1)]), Denied)


def test_a_call_above_the_limit_passes_once_the_bucket_is_full(buckets: Buckets, clock: Clock) -> None:
    buckets.take([tokens(1000, 1)])
    assert isinstance(buckets.take([tokens(1000, 50_000)]), Denied)
    clock.now += MINUTE_NS
    assert not isinstance(buckets.take([tokens(1000, 50_000)]), Denied)
    assert isinstance(buckets.take([tokens(1000, 1)]), Denied)


def test_callers_that_invent_names_do_not_grow_the_memory(clock: Clock) -> None:
    buckets = Buckets(clock_ns=clock, capacity=100)
    for number in range(10_000):
        buckets.take([requests(10, bucket=f"user:{number}")])
    assert len(buckets) == 100


def test_a_wall_clock_that_jumps_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    buckets = Buckets()
    for _ in range(3):
        buckets.take([requests(3)])
    for jump in (-3600, 86_400):
        at = time.time() + jump
        monkeypatch.setattr(time, "time", lambda at=at: at)
        monkeypatch.setattr(time, "time_ns", lambda at=at: int(at * 1e9))
        denied = buckets.take([requests(3)])
        assert isinstance(denied, Denied)
        assert 0 < denied.wait_ns <= 20 * SECOND


@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 20 * SECOND), st.integers(1, 30)), max_size=60),
)
def test_no_window_passes_more_than_the_bucket_and_its_refill(
    limit: int, calls: list[tuple[int, int]]
) -> None:
    clock = Clock()
    buckets = Buckets(clock_ns=clock)
    passed: list[tuple[int, int]] = []
    for pause, units in calls:
        clock.now += pause
        if not isinstance(buckets.take([tokens(limit, min(units, limit))]), Denied):
            passed.append((clock.now, min(units, limit)))
    for first, (begin, _) in enumerate(passed):
        used = 0
        for at, units in passed[first:]:
            used += units
            refilled = (at - begin) * limit / MINUTE_NS
            assert used <= limit + refilled + len(passed) * limit / MINUTE_NS + 1e-6
