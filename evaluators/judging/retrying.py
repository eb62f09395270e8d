"""When a judge is asked again, and how long to wait before."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from math import isfinite
from random import Random

_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""Timeouts, conflicts, rate limits, errors of servers and of what stands before them (52x is Cloudflare)."""

_FATAL = frozenset({401, 402, 404})
_QUOTA = ("insufficient_quota", "billing_hard_limit", "exceeded your current quota", "credit balance")
_ABOUT_ONE_TEXT = ("moderation", "flagged", "content_filter", "content management policy")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` HTTP requests at most a call; waits double from `first_wait_s` up to `longest_wait_s`.

    A `Retry-After` beyond `longest_pause_s` ends the run rather than keep it asleep. `timeout_s` bounds one
    attempt; what has timed out at our end may still be billed by the provider, so with
    `retries_unanswered` False such a request is not sent again.
    """

    attempts: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 30
    longest_pause_s: float = 300
    timeout_s: float = 120
    retries_unanswered: bool = True

    def wait(self, tries: int, *, random: Random) -> float:
        """Seconds before the next attempt after `tries` failed ones: half to all of the doubled wait."""
        doubled = min(self.first_wait_s * 2 ** min(tries - 1, 30), self.longest_wait_s)
        return doubled * random.uniform(0.5, 1)


class Pause:
    """Until when an endpoint asked everybody to wait; shared by all calls to it."""

    def __init__(self) -> None:
        self._ends = 0.0

    def extend(self, seconds: float) -> None:
        self._ends = max(self._ends, time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds still to wait, 0 where nothing is asked."""
        return max(0.0, self._ends - time.monotonic())

    async def over(self, random: Random) -> None:
        """Wait it out, and a little more by chance: 64 callers must not come back in one instant."""
        while left := self.left:
            await asyncio.sleep(left + random.uniform(0, min(1.0, left / 4)))


def is_retried(status: int | None, headers: Mapping[str, str]) -> bool:
    """Whether another attempt may help; None is no answer at all. `x-should-retry` has the last word."""
    told = headers.get("x-should-retry")
    if told in ("true", "false"):
        return told == "true"
    return status is None or status in _RETRIED


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `retry-after-ms` or `Retry-After` (seconds or an HTTP date) ask for, None for neither."""
    for name, divisor in (("retry-after-ms", 1_000), ("retry-after", 1)):
        try:
            seconds = float(headers[name]) / divisor
        except (KeyError, ValueError):
            continue
        return max(seconds, 0.0) if isfinite(seconds) else None
    date = parsedate_tz(headers.get("retry-after", ""))
    try:
        return max(mktime_tz(date) - time.time(), 0.0) if date else None
    except (ValueError, OverflowError):
        return None


def hopeless(
    status: int | None, *, headers: Mapping[str, str], body: bytes, longest_pause_s: float
) -> str | None:
    """Why no other call could do better now (key, model, quota, a pause too long), or None; one line."""
    if status is None or status < 400:
        return None
    said = " ".join(body[:2_000].decode("utf-8", "replace").split())
    lower = said.lower()
    is_out_of_money = status == 429 and any(word in lower for word in _QUOTA)
    # A 403 may be about one text alone, which some gateways moderate before they pass it on.
    is_barred = status == 403 and not any(word in lower for word in _ABOUT_ONE_TEXT)
    if status in _FATAL or is_out_of_money or is_barred:
        return f"the judge's endpoint says {status}: {said[:200]}"
    asked = retry_after(headers)
    if asked is not None and asked > longest_pause_s:
        return f"the judge's endpoint says {status} and asks to wait {asked:,.0f} s"
    return None
