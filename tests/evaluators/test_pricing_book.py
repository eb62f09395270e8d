"""The price book: which row wins, when, and what is never said to be free."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from evaluators.pricing.book import PriceBook, price, tier_name
from evaluators.pricing.rows import Charge, PriceRow, Unpriced
from tests.evaluators.price_rows import DAY, KNOWN, row


def amount(rows: list[PriceRow], usage: dict[str, int] | None = None, **call: Any) -> Decimal | str:
    """The price of a million input tokens (or of `usage`) of acme's m on DAY, or why there is none."""
    known_at = call.pop("known_at", None)
    charge = price(
        usage or {"input_tokens": 10**6, "output_tokens": 0},
        **{"provider": "acme", "model": "m", "at": DAY, "book": PriceBook(rows, known_at=known_at)} | call,
    )
    return charge.amount_usd if isinstance(charge, Charge) else charge.reason


def test_a_call_costs_its_tokens_at_the_price_of_its_bucket() -> None:
    rows = [row(usd="2.5", id=7), row("cache_read", "0.25", id=9), row("output_text", "10", id=3)]
    usage = {"prompt_tokens": 1_000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 400}}
    charge = price(usage, provider="acme", model="m", at=DAY, book=PriceBook(rows))
    assert isinstance(charge, Charge)
    assert str(charge.amount_usd) == "0.001700000000"
    assert charge.price_row_ids == (3, 7, 9)
    assert (charge.price_version, charge.source) == (1, "test")


def test_only_the_rows_that_priced_tokens_stand_on_the_receipt() -> None:
    rows = [row(id=1), row("output_text", id=2)]
    charge = price(
        {"input_tokens": 5, "output_tokens": 0}, provider="acme", model="m", at=DAY, book=PriceBook(rows)
    )
    assert isinstance(charge, Charge)
    assert charge.price_row_ids == (1,)


def test_validity_holds_from_its_first_instant_and_ends_before_its_last() -> None:
    change = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [row(usd="1", valid_to=change), row(usd="2", valid_from=change)]
    assert amount(rows, at=change - timedelta(microseconds=1)) == 1
    assert amount(rows, at=change) == 2


def test_a_price_that_ended_without_a_successor_prices_nothing() -> None:
    end = datetime(2026, 3, 1, tzinfo=UTC)
    book = PriceBook([row(valid_to=end)])
    assert amount([], at=end - timedelta(microseconds=1), book=book) == 1
    assert amount([], at=end, book=book) == "unpriced_date"


def test_another_zone_s_clock_names_the_same_instant() -> None:
    change = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [row(usd="1", valid_to=change), row(usd="2", valid_from=change)]
    assert amount(rows, at=datetime.fromisoformat("2026-03-01T08:59:59+09:00")) == 1


def test_a_correction_counts_from_when_it_was_known() -> None:
    corrected_at = datetime(2026, 4, 1, tzinfo=UTC)
    rows = [
        row(usd="1", id=1, superseded_at=corrected_at),
        row(usd="3", id=2, recorded_at=corrected_at, price_version=2),
    ]
    assert amount(rows, known_at=corrected_at - timedelta(days=1)) == 1
    assert amount(rows, known_at=corrected_at) == 3
    assert amount(rows) == 3


def test_of_two_rows_in_force_the_later_recorded_wins() -> None:
    later = KNOWN + timedelta(days=1)
    assert amount([row(usd="2", recorded_at=later), row(usd="1")]) == 2


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ({"source": "contract"}, {"source": "genai-prices 0.2.3 input_mtok", "recorded_at": DAY}),
        ({"provider": None, "source": "contract"}, {"source": "genai-prices 0.2.3 input_mtok"}),
        ({"provider": "acme"}, {"provider": None, "recorded_at": DAY}),
        ({"match": "exact"}, {"match": "prefix", "recorded_at": DAY}),
        ({"model": "model-x", "match": "prefix"}, {"model": "model", "match": "prefix", "recorded_at": DAY}),
        ({"service_tier": "standard@00:00-12:00"}, {"recorded_at": DAY}),
        ({"min_input_tokens": 200_000}, {"recorded_at": DAY}),
        ({"valid_from": KNOWN + timedelta(days=3)}, {}),
        ({"id": 2}, {"id": 1}),
    ],
)
def test_the_more_particular_row_wins(winner: dict[str, Any], loser: dict[str, Any]) -> None:
    model = "model-x-1" if "model" in winner else "m"
    rows = [row(usd="2", **winner), row(usd="1", **loser)]
    assert amount(rows, model=model) == 2
    assert amount(rows[::-1], model=model) == 2


def test_a_tier_holds_for_the_whole_request_above_its_floor_and_not_at_it() -> None:
    rows = [row(usd="1"), row(usd="2", min_input_tokens=200_000)]
    at_floor = {"input_tokens": 1, "cache_read_input_tokens": 199_999, "output_tokens": 0}
    above = at_floor | {"cache_read_input_tokens": 200_000}
    rows += [row("cache_read", "1"), row("cache_read", "2", min_input_tokens=200_000)]
    assert amount(rows, at_floor) == Decimal("0.2")
    assert amount(rows, above) == Decimal("0.400002")
    for usages in ((at_floor, above), (above, at_floor)):
        book = PriceBook(rows)
        assert {amount([], usage, book=book) for usage in usages} == {Decimal("0.2"), Decimal("0.400002")}


def test_hours_of_the_day_are_utc_and_may_pass_midnight() -> None:
    rows = [
        row(usd="2", service_tier="standard@00:30-16:30"),
        row(usd="1", service_tier="standard@16:30-00:30"),
    ]
    at = {
        text: datetime.fromisoformat(f"2026-03-01T{text}+00:00")
        for text in ("00:29", "00:30", "16:29", "16:30")
    }
    assert [amount(rows, at=time) for time in at.values()] == [1, 2, 2, 1]


def test_service_tiers_have_their_own_price_or_none() -> None:
    rows = [row(usd="2"), row(usd="1", service_tier="batch")]
    assert amount(rows, service_tier="batch") == 1
    assert amount(rows, service_tier="default") == 2
    assert amount(rows, service_tier="flex") == "unpriced_service_tier:flex"
    assert amount(rows, {"input_tokens": 10**6, "output_tokens": 0, "service_tier": "batch"}) == 1  # type: ignore[dict-item]


def test_the_ordinary_tier_has_one_name() -> None:
    assert {tier_name(name) for name in (None, "", "auto", "default", "Standard", "ON_DEMAND")} == {
        "standard"
    }
    assert tier_name(" Flex ") == "flex"


def test_reasoning_without_a_price_is_priced_as_output() -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 10**6, "reasoning_tokens": 10**6}
    assert amount([row("output_text", "8")], usage) == 8
    assert amount([row("output_text", "8"), row("reasoning", "3")], usage) == 3


def test_cache_writes_fall_back_where_anthropic_documents_it_and_nowhere_else() -> None:
    usage: dict[str, Any] = {
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 10**6},
    }
    assert amount([row(usd="3", provider="anthropic")], usage, provider="anthropic") == 6
    assert amount([row(usd="3")], usage) == "unpriced_bucket:cache_write_1h"
    usage["cache_creation"] = {"ephemeral_5m_input_tokens": 10**6}
    assert amount(
        [row(usd="3", model="claude-9", provider="aws")], usage, provider="aws", model="claude-9"
    ) == Decimal("3.75")


@pytest.mark.parametrize(
    ("usage", "call", "reason"),
    [
        (None, {}, "no_usage"),
        ({}, {}, "no_usage"),
        ({"prompt_tokens": "5"}, {}, "malformed_usage"),
        ({"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 9}, {}, "inconsistent_usage"),
        ({"words": 5}, {}, "unknown_shape"),
        ({"input_tokens": 5, "output_tokens": 0}, {"model": "n"}, "unknown_model"),
        ({"input_tokens": 5, "output_tokens": 0}, {"provider": "other"}, "unknown_model"),
        ({"input_tokens": 0, "output_tokens": 0}, {"model": "n"}, "unknown_model"),
        ({"input_tokens": 5, "output_tokens": 0}, {"at": KNOWN - timedelta(days=1)}, "unpriced_date"),
        ({"input_tokens": 5, "output_tokens": 1}, {}, "unpriced_bucket:output_text"),
        (
            {"input_tokens": 5, "output_tokens": 0, "server_tool_use": {"web_search_requests": 1}},
            {},
            "unpriced_fee:web_search",
        ),
    ],
)
def test_what_cannot_be_priced_says_why_and_is_not_free(
    usage: Any, call: dict[str, Any], reason: str
) -> None:
    call = {"provider": "acme", "model": "m", "at": DAY, "book": PriceBook([row()])} | call
    assert price(usage, **call) == Unpriced(reason)


def test_no_tokens_of_a_priced_model_cost_nothing() -> None:
    charge = price(
        {"input_tokens": 0, "output_tokens": 0}, provider="acme", model="m", at=DAY, book=PriceBook([row()])
    )
    assert isinstance(charge, Charge)
    assert (charge.amount_usd, charge.price_row_ids, charge.price_version) == (0, (), 1)


def test_the_provider_s_own_figure_stands_beside_ours() -> None:
    usage = {"prompt_tokens": 10**6, "completion_tokens": 0, "cost": 0.9}
    charge = price(usage, provider="acme", model="m", at=DAY, book=PriceBook([row()]))
    assert isinstance(charge, Charge)
    assert (charge.amount_usd, charge.reported_usd) == (1, Decimal("0.9"))


@pytest.mark.parametrize("cost", [10**12, 1e30, Decimal("1e400")])
def test_a_figure_beyond_all_money_is_kept_for_the_checks_to_see(cost: object) -> None:
    usage = {"prompt_tokens": 10**6, "completion_tokens": 0, "cost": cost}
    charge = price(usage, provider="acme", model="m", at=DAY, book=PriceBook([row()]))
    assert isinstance(charge, Charge)
    assert charge.reported_usd == 10**12


def test_the_book_knows_what_it_has_rows_about() -> None:
    book = PriceBook([row(), row(model="gpt-", match="prefix", provider=None)])
    assert book.knows("acme", "m")
    assert book.knows("anyone", "gpt-9")
    assert not book.knows("other", "m")
    assert book.version == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"usd": "-1"},
        {"usd": "NaN"},
        {"usd": "Infinity"},
        {"usd": "10000.01"},
        {"usd": "0.0000000000001"},
        {"bucket": "tokens"},
        {"model": ""},
        {"currency": "EUR"},
        {"min_input_tokens": -1},
        {"valid_to": KNOWN},
        {"valid_from": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"service_tier": "standard@9-17"},
        {"service_tier": ""},
    ],
)
def test_no_price_row_holds_what_no_price_can_be(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        row(**fields)
