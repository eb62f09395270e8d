"""A frame of calls is priced to the digits of single calls."""

import json
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluators import usage_alike
from evaluators.pricing import frame as frames
from evaluators.pricing.book import PriceBook, price
from evaluators.pricing.frame import CHARGES, KEYS, price_frame
from evaluators.pricing.rows import PriceRow, Unpriced
from evaluators.usage import BUCKETS
from tests.evaluators.price_rows import DAY, KNOWN, row

SCHEMA = {
    "call_id": pl.String,
    "started_at": pl.Datetime("us", "UTC"),
    "attempt": pl.Int16,
    "provider": pl.String,
    "model": pl.String,
    "endpoint": pl.String,
    "usage": pl.String,
    "status": pl.String,
    "service_tier": pl.String,
}
TOKENS = st.integers(0, 10**9)
TIMES = st.datetimes(
    KNOWN.replace(tzinfo=None) - timedelta(days=1), DAY.replace(tzinfo=None), timezones=st.just(UTC)
)
TIERS = st.sampled_from(["standard", "batch", "standard@22:00-06:30"])
PRICES = st.decimals(0, 10_000, places=12)


@pytest.fixture(params=[1, usage_alike.MIN_CALLS], ids=["together", "one by one"], autouse=True)
def min_calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test reads its few calls as columns and one by one."""
    monkeypatch.setattr(usage_alike, "MIN_CALLS", request.param)


def call(usage: object, **fields: Any) -> dict[str, Any]:
    text = usage if isinstance(usage, str) or usage is None else json.dumps(usage)
    defaults: dict[str, Any] = {
        "call_id": "c",
        "started_at": DAY,
        "attempt": 1,
        "provider": "acme",
        "model": "m",
        "endpoint": "/v1/chat/completions",
        "usage": text,
        "status": "ok",
        "service_tier": None,
    }
    return defaults | fields


def frame_of(calls: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(calls, schema=SCHEMA)


@st.composite
def price_rows(draw: st.DrawFn) -> list[PriceRow]:
    return [
        PriceRow(
            id=number,
            provider=draw(st.sampled_from(["acme", None])),
            model=draw(st.sampled_from(["m", "n"])),
            match=draw(st.sampled_from(["exact", "prefix"])),
            bucket=draw(st.sampled_from(BUCKETS)),
            usd_per_million=draw(PRICES),
            min_input_tokens=draw(st.sampled_from([0, 0, 1_000])),
            service_tier=draw(TIERS),
            valid_from=KNOWN + timedelta(hours=draw(st.integers(0, 72))),
            valid_to=draw(st.sampled_from([None, KNOWN + timedelta(days=9)])),
            recorded_at=KNOWN,
            source="test",
            price_version=draw(st.integers(1, 3)),
        )
        for number in range(1, draw(st.integers(1, 25)))
    ]


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    fresh, read, five, hour, out = (draw(st.one_of(st.just(0), TOKENS)) for _ in range(5))
    usage = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        "output_tokens": out,
        "output_tokens_details": {"thinking_tokens": draw(st.integers(0, out + 1))},
        "server_tool_use": {"web_search_requests": draw(st.sampled_from([0, 0, 0, 1]))},
        "cost": draw(st.sampled_from([None, 0, 0.25, 1e-13, -1, 1e300])),
    }
    if draw(st.booleans()):
        del usage["cost"]
    return call(
        draw(st.sampled_from([usage, usage, usage, None, {}, "no json"])),
        started_at=draw(TIMES),
        model=draw(st.sampled_from(["m", "n", "nn", "x"])),
        service_tier=draw(st.sampled_from([None, "default", "batch", "flex"])),
    )


@settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(rows=price_rows(), batch=st.lists(calls(), min_size=1, max_size=12))
def test_a_frame_gives_exactly_the_digits_of_single_calls(
    rows: list[PriceRow], batch: list[dict[str, Any]]
) -> None:
    book = PriceBook(rows)
    for item, charged in zip(batch, price_frame(frame_of(batch), book=book).rows(named=True), strict=True):
        usage: Any = item["usage"] if item["usage"] in (None, "no json") else json.loads(item["usage"])
        single = price(
            usage,
            provider=item["provider"],
            model=item["model"],
            at=item["started_at"],
            book=book,
            service_tier=item["service_tier"],
        )
        if isinstance(single, Unpriced):
            assert (charged["amount_usd"], charged["unpriced_reason"]) == (None, single.reason)
            assert (charged["price_version"], charged["price_row_ids"]) == (None, [])
            continue
        assert charged["unpriced_reason"] is None
        assert str(charged["amount_usd"]) == str(single.amount_usd)
        assert tuple(charged["price_row_ids"]) == single.price_row_ids
        assert charged["price_version"] == single.price_version
        assert tuple(charged[bucket] for bucket in BUCKETS) == single.buckets.counts
        assert charged["reported_usd"] == single.reported_usd


def test_half_a_picodollar_goes_to_the_even_digit() -> None:
    usages = [{"input_tokens": n, "output_tokens": 0} for n in (1, 3, 5, 7)]
    book = PriceBook([row(usd="0.0000005")])
    charged = price_frame(frame_of([call(usage) for usage in usages]), book=book)
    expected = ["0.000000000000", "0.000000000002", "0.000000000002", "0.000000000004"]
    assert [f"{amount:.12f}" for amount in charged["amount_usd"]] == expected


def test_the_largest_amount_is_exact() -> None:
    usage = {"input_tokens": 10**9, "cache_read_input_tokens": 10**9, "output_tokens": 10**9}
    book = PriceBook([row(b, "9999.999999999999") for b in ("input_uncached", "cache_read", "output_text")])
    (amount,) = price_frame(frame_of([call(usage)]), book=book)["amount_usd"]
    assert amount == 3 * Decimal("9999999.999999999")


def test_the_frame_has_the_columns_of_the_charges_and_its_order() -> None:
    batch = [call({"input_tokens": n, "output_tokens": 0}, call_id=str(n), attempt=n % 3) for n in range(50)]
    charged = price_frame(frame_of(batch[::-1]), book=PriceBook([row()]))
    assert charged.columns == [*KEYS, *CHARGES]
    assert {name: charged.schema[name] for name in CHARGES} == CHARGES
    assert charged["call_id"].to_list() == [str(n) for n in reversed(range(50))]
    assert charged.schema["attempt"] == pl.Int16


def test_a_frame_of_many_slices_models_and_tiers_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "SLICE", 7)
    batch = [
        call(
            {"input_tokens": n, "output_tokens": 0},
            call_id=str(n),
            model="mn"[n % 2],
            service_tier=[None, "batch", "default"][n % 3],
        )
        for n in range(50)
    ]
    book = PriceBook([row(), row(model="n", usd="3"), row(usd="0.5", service_tier="batch")])
    charged = price_frame(frame_of(batch), book=book)
    usd = {
        ("m", "default"): 1,
        ("m", None): 1,
        ("m", "batch"): Decimal("0.5"),
        ("n", "default"): 3,
        ("n", None): 3,
    }
    expected = [
        (str(n), usd.get((item["model"], item["service_tier"]), Decimal("NaN")) * Decimal(n) / 10**6)
        for n, item in enumerate(batch)
    ]
    found = charged.select("call_id", pl.col("amount_usd").cast(pl.String)).rows()
    assert found == [(n, None if usd.is_nan() else f"{usd:.12f}") for n, usd in expected]


def test_an_empty_frame_gives_an_empty_frame() -> None:
    charged = price_frame(frame_of([]), book=PriceBook([]))
    assert charged.is_empty()
    assert charged.columns == [*KEYS, *CHARGES]


def test_a_book_without_rows_prices_nothing_and_says_so() -> None:
    charged = price_frame(frame_of([call({"input_tokens": 5, "output_tokens": 1})]), book=PriceBook([]))
    assert charged["unpriced_reason"].to_list() == ["unknown_model"]
    assert charged["input_uncached"].to_list() == [5]


def test_text_that_is_no_usage_is_malformed_and_stops_no_other_row() -> None:
    texts = ["", "nul", "[1", "[[" * 5_000, '"text"', "7", '{"input_tokens": NaN}', '{"input_tokens": 1e999}']
    batch = [call(text) for text in texts] + [call({"input_tokens": 10**6, "output_tokens": 0})]
    charged = price_frame(frame_of(batch), book=PriceBook([row()]))
    assert set(charged["unpriced_reason"][:-1]) == {"malformed_usage"}
    assert charged["amount_usd"][-1] == 1


def test_an_error_without_usage_is_not_free() -> None:
    charged = price_frame(frame_of([call(None, status="error")]), book=PriceBook([row()]))
    assert charged.select("amount_usd", "unpriced_reason").row(0) == (None, "no_usage")


def test_nulls_in_names_are_an_unknown_model() -> None:
    batch = [call({"input_tokens": 1, "output_tokens": 0}, **{name: None}) for name in ("provider", "model")]
    charged = price_frame(frame_of(batch), book=PriceBook([row()]))
    assert charged["unpriced_reason"].to_list() == ["unknown_model"] * 2


def test_a_fee_by_the_piece_keeps_its_tokens_and_has_no_price() -> None:
    usage = {"input_tokens": 5, "output_tokens": 0, "server_tool_use": {"web_search_requests": 1}}
    charged = price_frame(frame_of([call(usage)]), book=PriceBook([row()]))
    assert charged.select("input_uncached", "amount_usd", "unpriced_reason").row(0) == (
        5,
        None,
        "unpriced_fee:web_search",
    )


def test_what_the_providers_say_is_read_of_every_call() -> None:
    usage = {"input_tokens": 5, "output_tokens": 0}
    costs: list[object] = [0, 1, 0.25, None, -1, "free", {"total_cost": 2}]
    batch = [call(usage | {"cost": cost}) for cost in costs] + [call(usage)]
    charged = price_frame(frame_of(batch * 2), book=PriceBook([row()]))
    assert charged["reported_usd"].to_list() == [0, 1, Decimal("0.25"), None, None, None, 2, None] * 2
    assert charged["amount_usd"].to_list() == [Decimal("0.000005")] * 16
