"""What a failed answer says, and when it asks to be called again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ingest.proxy.attempts import Trail, _retry_after, may_pass
from ingest.proxy.ports import Target


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0),
        (b"7", 7.0),
        (b" 7 ", 7.0),
        (b"9" * 400, 3600.0),
        (b"86400", 3600.0),
        (b"-1", None),
        (b"1.5", None),
        (b"soon", None),
        (b"", None),
        (b"\xb2", None),
        (b"Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (b"Wed, 21 Oct 99999 07:28:00 GMT", None),
        (b"Wed, 21 Oct 2015 07:28:00 -0000", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(value: bytes, seconds: float | None) -> None:
    assert _retry_after(value) == seconds


def test_a_date_to_come_is_the_time_until_then() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)
    seconds = _retry_after(format_datetime(at, usegmt=True).encode())
    assert seconds is not None
    assert 30 < seconds <= 90


def test_only_what_another_target_may_not_share_may_pass() -> None:
    assert [status for status in range(200, 600) if may_pass(status)] == [408, 429, *range(500, 600)]


def test_what_an_attempt_failed_with_stays_on_record() -> None:
    trail = Trail()
    trail.begin(Target(name="fast/1", provider="openai", base_url="http://x"), model="m")
    trail.end(status=429, error_type="http_429")
    trail.end(status=None)
    (attempt,) = trail.records()
    assert (attempt["status"], attempt["error_type"]) == (429, "http_429")
    assert attempt["latency_ms"] >= 0
