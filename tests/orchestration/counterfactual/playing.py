"""Recorded calls, candidates of known manners and a judge behind one endpoint, for `lqo whatif replay`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import TupleRow

from evaluators.pricing.rows import PriceRow
from ingest.landing.land import land_calls
from orchestration.cost.price_book import import_prices
from tests.ingest.landing_calls import make_call
from tests.judge_endpoint import JudgeEndpoint
from tests.orchestration.comparison.playing import JUDGE, Stage, staged

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
YESTERDAY = TODAY - timedelta(hours=12)
DAY = f"{YESTERDAY:%F}"
PROVIDER = "openai"
# USD per million tokens, in and out; none of genai-prices has such names.
PRICES: Mapping[str, tuple[str, str]] = {
    "old": ("10", "30"),
    "=old": ("10", "30"),
    "cheap": ("1", "2"),
    "dear": ("500", "900"),
    JUDGE: ("5", "15"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """A recorded call."""

    prompt: str
    answer: str = "the old answer"
    model: str = "old"


def land(connection: psycopg.Connection[TupleRow], calls: list[Said], **changes: Any) -> None:
    """Land the calls of yesterday with their texts and usage (100 tokens in, 40 out)."""
    made = [
        make_call(
            place,
            at=changes.get("at", YESTERDAY),
            key=str(uuid4()),
            **{
                "requested_model": said.model,
                "provider": PROVIDER,
                "request": json.dumps(
                    {"model": said.model, "messages": [{"role": "user", "content": said.prompt}]}
                ).encode(),
                "input_text": said.prompt,
                "output_text": said.answer,
                "usage": {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140},
                "usage_raw": None,
                **{name: value for name, value in changes.items() if name != "at"},
            },
        )
        for place, said in enumerate(calls)
    ]
    result = land_calls(connection, made, load_id=uuid4(), origin="a test", now=datetime.now(UTC))
    assert result.landed == len(calls), result
    connection.commit()


def questions(n: int, *, model: str = "old", name: str = "Q") -> list[Said]:
    return [Said(f"{name}{place}: what is it?", f"the {model} answer {place}", model) for place in range(n)]


def set_prices(
    connection: psycopg.Connection[TupleRow], *, provider: str = PROVIDER, times: Decimal = Decimal(1)
) -> None:
    """The prices of all models that are played, and twice as much for `priority`."""
    rows = [
        PriceRow(
            provider=provider,
            model=model,
            match="prefix",
            bucket=bucket,
            service_tier=tier,
            usd_per_million=Decimal(usd) * times * dearer,
            valid_from=TODAY - timedelta(days=900),
            recorded_at=datetime.now(UTC),
            source="a test",
        )
        for model, amounts in PRICES.items()
        for bucket, usd in zip(("input_uncached", "output_text"), amounts, strict=True)
        for tier, dearer in (("standard", 1), ("priority", 2))
    ]
    import_prices(connection, rows, source="a test")
    connection.commit()


def graded_stage(grades: Mapping[str, object]) -> Stage:
    """A judge that grades an answer by the word that it begins with after `the`, or 3."""

    def grade(shown: dict[str, str]) -> object:
        answer = shown["the answer to grade"]
        return next((grade for word, grade in grades.items() if word in answer), 3)

    def says(model: str) -> Any:
        return lambda text: f"the {model} answer to {text}"

    return Stage(models={model: says(model) for model in PRICES}, grade=grade)


def play(grades: Mapping[str, object], **fields: Any) -> JudgeEndpoint:
    return staged(graded_stage(grades), **fields)
