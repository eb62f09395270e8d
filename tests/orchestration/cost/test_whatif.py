"""Recorded traffic re-priced: what charges would have been, to the last digit, and nothing is written."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.pricing.book import price
from evaluators.pricing.rows import Charge, PriceRow
from orchestration.cost.charging import charge_window
from orchestration.cost.price_book import import_prices
from reports.whatif.candidates import Prices, find_candidates, parse_ratios
from reports.whatif.classes import edges_of
from reports.whatif.notes import notes_of
from reports.whatif.query import select_groups, values_of
from reports.whatif.question import Dimension, Question, Terms, Traffic, WhatIfError
from reports.whatif.reading import held_rows, reprice, snapshot
from reports.whatif.totals import Line, Totals
from tests.orchestration.seeding import DAY, DAY_START, add_calls, count, plan_nodes, rows

Connection = psycopg.Connection[TupleRow]

TODAY = DAY_START.date()
RECORDED_TERMS = Terms()
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
NOON = DAY_START + timedelta(hours=12, minutes=30)


def rates(model: str, **usd: str) -> list[PriceRow]:
    """Prices per million by bucket, `cached` for `cache_read`."""
    return [row(model, bucket, amount) for bucket, amount in usd.items()]


def row(model: str, bucket: str, usd: str, **changes: Any) -> PriceRow:
    given = {"provider": None, "valid_from": JANUARY, "recorded_at": JANUARY, "source": "test", **changes}
    return PriceRow(model=model, bucket=bucket, usd_per_million=Decimal(usd), **given)


HOUSE = rates("house", input_uncached="2.5", cache_read="0.25", output_text="10")
FINE = rates("fine", input_uncached="0.123456789", cache_read="0.0123456789", output_text="0.987654321")
PLAIN = rates("plain", input_uncached="1", output_text="4")
# Dearer from half past twelve, above a thousand input tokens, and cheaper between ten and two.
LONG = [
    *rates("long", cache_read="0.5", output_text="5"),
    row("long", "input_uncached", "1", valid_to=NOON),
    row("long", "input_uncached", "1.5", valid_from=NOON),
    row("long", "input_uncached", "3", min_input_tokens=1_000),
    row("long", "output_text", "9", min_input_tokens=1_000),
    row("long", "output_text", "2.5", service_tier="standard@10:00-14:00"),
]
BATCH = [
    row("house", name, usd, service_tier="batch")
    for name, usd in (("input_uncached", "1.25"), ("output_text", "5"))
]


def used(prompt: int, completion: int, **more: int) -> dict[str, object]:
    """OpenAI's usage; `cached` and `reasoning` are parts."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": more.get("cached", 0)},
        "completion_tokens_details": {"reasoning_tokens": more.get("reasoning", 0)},
    }


def seed(connection: Connection, n: int, **changes: Any) -> None:
    with connection.transaction():
        add_calls(connection, n, **changes)


def charged(connection: Connection, *books: Sequence[PriceRow]) -> None:
    import_prices(connection, [each for book in books for each in book], source="test")
    charge_window(connection, [DAY])


def ask(
    connection: Connection,
    *names: str,
    tiers: Sequence[str] = (),
    by: tuple[Dimension, ...] = (),
    terms: Terms = RECORDED_TERMS,
    ratios: Sequence[str] = (),
    **filters: Any,
) -> tuple[Question, Totals, Prices]:
    with snapshot(connection):
        candidates, prices = find_candidates(
            names,
            tiers=tiers,
            held=held_rows(connection),
            at=datetime.now(UTC),
            input_ratios=parse_ratios(ratios, option="--ratio"),
        )
        traffic = Traffic(**{"first": TODAY, "last": TODAY, **filters})
        question = Question(traffic=traffic, candidates=candidates, terms=terms, by=by)
        return question, reprice(connection, question, prices=prices), prices


def lines(asked: tuple[Question, Totals, Prices]) -> dict[str, Line]:
    """Lines by candidate, behind the names they are told apart by."""
    return {" ".join([*names, each.label]): line for (names, each), line in asked[1].lines.items()}


def by_hand(connection: Connection, prices: Prices, model: str) -> Decimal:
    """What the function of charges says of each call, added up."""
    calls = rows(connection, "select usage, started_at from raw.llm_calls")
    found = [price(usage, provider="openai", model=model, at=at, book=prices.book) for usage, at in calls]
    assert all(isinstance(each, Charge) for each in found)
    return sum((each.amount_usd for each in found if isinstance(each, Charge)), Decimal(0))


def test_every_candidate_costs_what_its_charges_would_to_the_last_digit(connection: Connection) -> None:
    usages = [used(999, 33), used(1_000, 7, cached=300), used(1_001, 77, reasoning=11), used(7, 1)]
    usages += [used(1_000, 5), used(1_001, 5)]
    for number, usage in enumerate(usages):
        for model in ("house", "fine"):
            spacing = timedelta(minutes=13 + number)
            seed(connection, 75, seed=f"{model}{number}", model=model, usage=usage, spacing=spacing)
    charged(connection, HOUSE, FINE, LONG)

    # Two questions: the second has to round single calls.
    asked = ask(connection, "house", "long")
    found = lines(asked) | lines(ask(connection, "fine", "recorded"))

    for model in ("house", "long", "fine"):
        assert found[model].whatif_usd == by_hand(connection, asked[2], model), model
        assert (found[model].n_compared, found[model].n_not_priced) == (900, 0)
    [(actual,)] = rows(connection, "select sum(amount_usd) from cost.charges")
    assert found["recorded"].whatif_usd == found["house"].actual_usd == asked[1].recorded.amount_usd == actual
    assert found["recorded"].saving_usd == 0


def test_a_second_look_says_the_same_and_nothing_is_written(connection: Connection) -> None:
    seed(connection, 5, model="house", usage=used(100, 10))
    charged(connection, HOUSE)
    before = rows(connection, "select xmin::text, * from cost.charges order by call_id")
    book = count(connection, "cost.prices")

    first = lines(ask(connection, "gpt-5-mini"))
    assert lines(ask(connection, "gpt-5-mini")) == first

    assert first["openai/gpt-5-mini"].n_compared == 5
    assert "genai-prices" in str(first["openai/gpt-5-mini"].sources)
    assert rows(connection, "select xmin::text, * from cost.charges order by call_id") == before
    assert count(connection, "cost.prices") == book
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), snapshot(connection):
        connection.execute("delete from cost.charges")


def test_what_cannot_be_priced_is_counted_with_its_reason_and_beside_the_saving(
    connection: Connection,
) -> None:
    seed(connection, 3, model="house", usage=used(100, 10))
    seed(connection, 2, seed="b", model="house", usage=None, status="error")
    seed(connection, 1, seed="c", model="house", usage={**used(50, 5), "num_search_queries": 1})
    seed(connection, 4, seed="d", model="nobody-knows-this", usage=used(200, 20))
    seed(connection, 1, seed="e", model="house", usage=used(200_000, 20))
    charged(connection, HOUSE)
    seed(connection, 6, seed="late", model="house", usage=used(1, 1))

    asked = ask(connection, "gpt-4o", "recorded")

    here = lines(asked)["openai/gpt-4o"]
    assert (here.n_attempts, here.n_compared, here.n_new, here.n_not_priced) == (17, 3, 4, 10)
    assert dict(here.reasons) == {
        "not_charged_yet": 6,
        "no_usage": 2,
        "unpriced_fee:web_search": 1,
        "over_context_window:128000": 1,
    }
    assert here.actual_usd == 3 * Decimal("0.00035")
    assert here.not_priced_actual_usd == Decimal("0.5002")
    assert here.new_usd > 0
    assert any("4 attempts that have no charge" in note for note in notes_of(asked[0], asked[1]))
    own = lines(asked)["recorded"]
    assert (own.n_compared, own.saving_usd, own.reasons["unknown_model"]) == (4, 0, 4)
    longer = lines(ask(connection, "gpt-4o", terms=Terms(any_length=True)))["openai/gpt-4o"]
    assert (longer.n_compared, longer.not_priced_actual_usd) == (4, 0)


def test_a_kind_of_token_without_a_price_hides_behind_no_other_call(connection: Connection) -> None:
    heard: dict[str, object] = {**used(100, 10), "prompt_tokens_details": {"audio_tokens": 60}}
    seed(connection, 5, model="talk", usage=used(100, 10))
    seed(connection, 2, seed="b", model="talk", usage=heard)
    charged(connection, HOUSE, rates("talk", input_uncached="1", input_audio="9", output_text="4"))
    found = lines(ask(connection, "house"))["house"]
    assert (found.n_compared, dict(found.reasons)) == (5, {"unpriced_bucket:input_audio": 2})
    assert found.whatif_usd == 5 * Decimal("0.00035")


def test_images_are_priced_as_input_or_at_a_price_of_their_own_and_no_ratio_touches_them(
    connection: Connection,
) -> None:
    seen: dict[str, object] = {**used(100, 10), "prompt_tokens_details": {"image_tokens": 60}}
    seed(connection, 5, model="house", usage=seen)
    charged(connection, HOUSE, PLAIN, rates("seeing", input_uncached="1", input_image="9", output_text="4"))
    each = {"house": Decimal("0.00035"), "plain": Decimal("0.00014"), "seeing": Decimal("0.00062")}

    asked = ask(connection, *each, "recorded")
    assert asked[1].recorded.tokens["input_image"] == 300
    assert {name: line.whatif_usd for name, line in lines(asked).items()} == {
        **{name: 5 * usd for name, usd in each.items()},
        "recorded": 5 * each["house"],
    }
    scaled = lines(ask(connection, "plain", ratios=["2"]))["plain"]
    assert scaled.whatif_usd == 5 * Decimal("0.00022")


def test_charges_of_before_images_were_counted_are_priced_as_ever(connection: Connection) -> None:
    seed(connection, 3, model="house", usage=used(100, 10))
    charged(connection, HOUSE, PLAIN)
    with connection.transaction():
        connection.execute("update cost.charges set input_image = null, output_image = null")
    found = lines(ask(connection, "plain", "recorded"))
    assert (found["plain"].n_compared, found["plain"].whatif_usd) == (3, 3 * Decimal("0.00014"))
    assert found["recorded"].saving_usd == 0


def test_cached_input_is_read_anew_where_a_model_has_no_cache(connection: Connection) -> None:
    seed(connection, 1, model="house", usage=used(1_000, 100, cached=600))
    charged(connection, HOUSE, PLAIN)

    asked = ask(connection, "plain", "house")
    plain = lines(asked)["plain"]
    assert (plain.whatif_usd, plain.n_uncached_tokens) == (Decimal("0.0014"), 600)
    assert any("plain has no price for reading a cache: 600 tokens" in n for n in notes_of(*asked[:2]))
    assert lines(asked)["house"].saving_usd == 0
    # What caching saved: the same model without it.
    without = lines(ask(connection, "recorded", terms=Terms(is_cached=False)))["recorded"]
    assert without.saving_usd == -600 * Decimal("2.25") / 1_000_000


def test_tiers_are_those_of_the_calls_unless_another_is_asked_for(connection: Connection) -> None:
    seed(connection, 2, model="house", usage=used(1_000, 100))
    seed(connection, 1, seed="b", model="house", usage={**used(1_000, 100), "service_tier": "batch"})
    charged(connection, HOUSE, BATCH, PLAIN)

    asked = ask(connection, "recorded", "plain")
    found = lines(asked)
    assert "plain has prices, but none at the tier of 1 attempts (--tier standard)" in notes_of(*asked[:2])
    assert (found["recorded"].whatif_usd, found["recorded"].saving_usd) == (Decimal("0.00875"), 0)
    assert dict(found["plain"].reasons) == {"unpriced_service_tier:batch": 1}
    moved = lines(ask(connection, "recorded", tiers=["batch", "standard"], by=("tier",)))
    assert moved["standard recorded at batch"].saving_percent == Decimal("50.00")
    assert moved["batch recorded at standard"].saving_percent == Decimal("-100.00")
    assert moved["batch recorded at batch"].saving_usd == 0
    with pytest.raises(WhatIfError, match="'bach'; there are batch"):
        ask(connection, "recorded", tiers=["bach"])


def test_a_call_without_a_price_says_itself_what_tier_it_had(connection: Connection) -> None:
    inside: dict[str, object] = {**used(1_000, 100), "service_tier": "batch"}
    seed(connection, 1, model="nobody-knows-this", usage=inside)
    seed(connection, 1, seed="b", model="nobody-knows-this", usage=used(1_000, 100))
    with connection.transaction():
        connection.execute(
            "update raw.llm_calls set tags = jsonb_build_object('service_tier', 'Batch')"
            " where usage ->> 'service_tier' is null"
        )
    charged(connection, HOUSE, BATCH)
    found = lines(ask(connection, "house", by=("tier",)))
    assert {name: (line.n_new, line.new_usd) for name, line in found.items()} == {
        "batch house": (2, Decimal("0.0035"))
    }


def test_prices_of_another_day_hold_at_the_hour_of_the_call(connection: Connection) -> None:
    seed(connection, 24, model="house", usage=used(1_000_000, 0), spacing=timedelta(hours=1))
    changed = NOON + timedelta(days=1)
    moving = [
        row("moving", "input_uncached", "1", valid_to=changed),
        row("moving", "input_uncached", "2", valid_from=changed),
    ]
    charged(connection, HOUSE, moving)

    def cost(day: date | None) -> Decimal:
        return lines(ask(connection, "moving", terms=Terms(prices_at=day)))["moving"].whatif_usd

    assert (cost(None), cost(TODAY)) == (24, 24)
    # Thirteen calls began by noon, and eleven after half past twelve.
    assert cost(TODAY + timedelta(days=1)) == 13 + 11 * 2
    assert cost(TODAY + timedelta(days=2)) == 48
    before = lines(ask(connection, "moving", terms=Terms(prices_at=date(2025, 12, 31))))["moving"]
    assert dict(before.reasons) == {"unpriced_date": 24}
    import_prices(connection, [row("younger", "input_uncached", "1", valid_from=changed)], source="test")
    younger = ask(connection, "younger")
    assert any("none at the time of 24 attempts (--prices-at DAY)" in note for note in notes_of(*younger[:2]))


def test_a_ratio_scales_other_models_tokens_and_no_own_ones(connection: Connection) -> None:
    seed(connection, 1, model="house", usage=used(900, 100))
    seed(connection, 1, seed="b", model="long", usage=used(900, 100))
    charged(connection, HOUSE, LONG)

    found = lines(ask(connection, "long", ratios=["long=1.2"], by=("model",)))
    # 1,080 tokens are over the thousand from which `long` is dearer.
    assert found["house long"].whatif_usd == (900 * 3 + 100 * 9) * Decimal("1.2") / 1_000_000
    assert found["long long"].saving_usd == 0
    for bad in ("0", "11", "x", "house=1.1", "1/0"):
        with pytest.raises(WhatIfError):
            ask(connection, "long", ratios=[bad])


def test_reasoning_may_be_left_out(connection: Connection) -> None:
    seed(connection, 1, model="house", usage=used(100, 100, reasoning=60))
    charged(connection, HOUSE)
    found = lines(ask(connection, "house", terms=Terms(is_reasoning=False)))["house"]
    assert found.saving_usd == 60 * Decimal(10) / 1_000_000


def test_filters_and_names_tell_calls_apart(connection: Connection) -> None:
    for number, project in enumerate(("=cmd()", "검색 🙂", None)):
        seed(connection, number + 1, seed=str(number), model="house", usage=used(100, 10))
        with connection.transaction():
            connection.execute(
                "update raw.llm_calls set project = %s, prompt_name = 'p', prompt_version = %s,"
                " key_id = 'k' where load_id in (select load_id from raw.llm_calls where project is null)"
                " and project is null and prompt_version is null",
                (project, str(number)),
            )
    seed(connection, 7, seed="judge", model="house", purpose="judge", usage=used(100, 10))
    charged(connection, HOUSE)

    found = lines(ask(connection, "house", by=("day", "project", "prompt_version")))
    assert {name: line.n_compared for name, line in found.items()} == {
        "2026-10-14 =cmd() 0 house": 1,
        "2026-10-14 검색 🙂 1 house": 2,
        "2026-10-14 (none) 2 house": 3,
    }
    for filters, n in (
        ({"projects": ("검색 🙂", "(none)")}, 5),
        ({"prompts": ("p",), "prompt_versions": ("0",)}, 1),
        ({"purposes": ("judge",)}, 7),
        ({"models": ("house",), "keys": ("k",)}, 6),
        ({"providers": ("nobody",)}, 0),
    ):
        assert ask(connection, "house", **filters)[1].recorded.n_attempts == n, filters


def test_a_fallback_is_two_attempts_at_any_model(connection: Connection) -> None:
    attempts: list[dict[str, object]] = [
        {"provider": "openai", "model": "house", "status": 500, "usage": used(100, 10)},
        {"provider": "openai", "model": "plain", "status": 200, "usage": used(100, 10)},
    ]
    seed(connection, 1, model="plain", usage=used(100, 10), attempts=attempts)
    charged(connection, HOUSE, PLAIN)
    found = lines(ask(connection, "plain"))["plain"]
    assert (found.n_compared, found.actual_usd) == (2, Decimal("0.00049"))
    assert found.whatif_usd == Decimal("0.00028")


def test_a_day_reads_only_its_month(connection: Connection) -> None:
    for month in (8, 9, 10, 11):
        seed(connection, 3, seed=str(month), start=datetime(2026, month, 14, tzinfo=UTC), model="house")
    charged(connection, HOUSE)
    question, _, prices = ask(connection, "house")
    values = values_of(question, TODAY, edges=edges_of(prices.rows, question.candidates))
    query = select_groups(question).as_string(connection)
    read = {
        node["Relation Name"] for node in plan_nodes(connection, query, values) if "Relation Name" in node
    }
    assert read == {"llm_calls_y2026m10", "charges_y2026m10", "prices"}
