"""What a caller is told of its limits: headers in OpenAI's style, and why it is refused.

https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from ingest.limits.gcra import Denied, Level
from ingest.limits.ledger import Overdrawn, dollars
from ingest.proxy.http import Headers
from ingest.proxy.ports import Refusal

_SECOND_NS = 1_000_000_000


def limit_headers(levels: Iterable[Level]) -> Headers:
    """Limit, remaining and time to full of the scarcest bucket of each kind."""
    scarcest: dict[str, Level] = {}
    for each in levels:
        rival = scarcest.get(each.kind)
        if rival is None or each.remaining * rival.limit < rival.remaining * each.limit:
            scarcest[each.kind] = each
    return tuple(pair for each in scarcest.values() for pair in _headers(each))


def too_fast(denied: Denied) -> Refusal:
    """429 with the seconds after which the same call would be taken, if nobody else calls meanwhile."""
    draw = denied.draw
    seconds = max(-(-denied.wait_ns // _SECOND_NS), 1)
    message = (
        f"this {draw.scope} may use {draw.limit} {draw.kind} a minute, and they are used up; "
        f"try again in {seconds} s"
    )
    level = Level(draw.kind, draw.limit, 0, denied.wait_ns)
    headers = (*_headers(level), (b"retry-after", b"%d" % seconds))
    return Refusal(429, "rate_limit_exceeded", message, headers)


def too_dear(overdrawn: Overdrawn, *, at: datetime) -> Refusal:
    """429 that says what is left and what the call might have cost. SDKs are asked not to try again."""
    spend, left = overdrawn.spend, overdrawn.left
    resets = datetime.fromtimestamp(spend.resets_at, UTC)
    need = f"this call may cost up to ${dollars(spend.amount)}" if left else "it is used up"
    hint = "; a lower limit of output tokens reserves less" if left else ""
    message = (
        f"this {spend.scope} has ${dollars(left)} left of its budget of ${dollars(spend.limit)} a "
        f"{spend.period}, {need}{hint}. It starts anew at {resets:%Y-%m-%dT%H:%M:%SZ}"
    )
    wait = max(spend.resets_at - int(at.timestamp()), 1)
    headers = ((b"retry-after", b"%d" % wait), (b"x-should-retry", b"false"))
    return Refusal(429, "budget_exceeded", message, headers)


def unpriced(model: str) -> Refusal:
    """403: what cannot be priced cannot be held to a budget."""
    name = model[:200] or "this request"
    message = f"{name} has no price, so a caller with a budget may not use it (lqo prices import adds one)"
    return Refusal(403, "model_not_priced", message)


def unreachable(message: str) -> Refusal:
    """503: nobody can say what is left."""
    return Refusal(503, "limits_unavailable", message, ((b"retry-after", b"1"),))


def _headers(level: Level) -> Headers:
    kind = level.kind.encode()
    return (
        (b"x-ratelimit-limit-" + kind, b"%d" % level.limit),
        (b"x-ratelimit-remaining-" + kind, b"%d" % level.remaining),
        (b"x-ratelimit-reset-" + kind, _duration(level.full_after_ns)),
    )


def _duration(ns: int) -> bytes:
    """As OpenAI writes it: `12ms`, `6s`, `1m30s`; rounded up."""
    if ns < _SECOND_NS:
        return b"%dms" % -(-ns // 1_000_000)
    minutes, seconds = divmod(-(-ns // _SECOND_NS), 60)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds
