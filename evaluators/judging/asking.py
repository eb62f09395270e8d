"""Asking a judge about one call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evaluators.judging.exchanges import Attempt


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of asking one judge about one call; exactly one of `value` and `unscored_reason` is None.

    `value` is 1–5, `label` the anchor's, `explanation` the reason given before the grade. `usage` is the
    provider's own object (empty where nothing was asked or none was told), `judge_model` the served model,
    else the asked one. `raw_request` and `raw_response` are the exchange byte for byte, empty where nothing
    was asked; `attempts` every HTTP request of it. `asked_at` is when the first of them began and `latency_ms`
    the time to the last byte of the last, waits between attempts included. `details` tells what was left out,
    how the form was asked for, and what was wrong. `is_reused` marks a verdict paid for by another call with
    the same content.
    """

    call_id: str
    started_at: datetime
    content_hash: bytes
    evaluator: str
    evaluator_version: str
    judge_model: str
    value: int | None = None
    label: str | None = None
    explanation: str | None = None
    unscored_reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    raw_request: bytes = b""
    raw_response: bytes = b""
    asked_at: datetime | None = None
    latency_ms: float | None = None
    attempts: tuple[Attempt, ...] = ()
    is_reused: bool = False
