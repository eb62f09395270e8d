"""`lqo explain`: usage, buckets, price rows, versions and charge of one call."""

from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.commands.errors import UserError
from orchestration.commands.explain import explanation, find_call
from orchestration.cost.charging import charge_corrected, charge_window
from orchestration.cost.price_book import import_prices
from tests.orchestration.cost.test_charging import prices
from tests.orchestration.seeding import DAY, add_calls, rows

Connection = psycopg.Connection[TupleRow]


def explained(connection: Connection) -> str:
    [(call_id,)] = rows(connection, "select call_id from raw.llm_calls")
    return "\n".join(explanation(connection, call_id))


def test_a_calls_cents_are_traced_through_every_charge_it_had(connection: Connection) -> None:
    usage: dict[str, object] = {
        "prompt_tokens": 1000,
        "completion_tokens": 500,
        "total_tokens": 1500,
        "completion_tokens_details": {"reasoning_tokens": 200},
        "cost": 0.004,
    }
    with connection.transaction():
        add_calls(connection, 1, model="house-a", usage=usage)
    import_prices(connection, prices("house-", "1", match="prefix", source=""), source="contract 17")
    charge_window(connection, [DAY])
    import_prices(connection, prices("house-", "2.5", match="prefix", source=""), source="contract 18")
    charge_corrected(connection, [DAY])

    text = explained(connection)

    for said in (
        '"prompt_tokens": 1000',
        "  input_uncached        1,000  x $2.5 per million = $0.0025",
        "  output_text             300  x $2.5 per million = $0.00075",
        "  reasoning               200  x $2.5 per million = $0.0005",
        "  amount $0.00375",
        "  amount $0.0015",
        "the provider itself says $0.004",
        "(repriced)",
        "contract 17",
        "contract 18",
        "house-*",
    ):
        assert said in text, (said, text)
    assert "which is not the amount" not in text


def test_a_derived_price_is_shown_with_its_factor(connection: Connection) -> None:
    usage: dict[str, object] = {
        "input_tokens": 1000,
        "output_tokens": 100,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 800,
    }
    with connection.transaction():
        add_calls(connection, 1, provider="anthropic", model="claude-house", usage=usage)
    import_prices(connection, prices("claude-house", "3"), source="contract")
    charge_window(connection, [DAY])

    text = explained(connection)

    assert "  cache_write             800  x $3 x 1.25 per million = $0.003" in text
    assert "  amount $0.0063" in text
    [(amount,)] = rows(connection, "select amount_usd from cost.charges")
    assert amount == Decimal("0.0063")


def test_what_has_no_price_says_why(connection: Connection) -> None:
    with connection.transaction():
        add_calls(connection, 1, model="nobody-knows-this")
    assert "not charged yet" in explained(connection)

    charge_window(connection, [DAY])

    assert "  no amount: unknown_model" in explained(connection)


@pytest.mark.parametrize("call_id", ["01890000-0000-7000-8000-000000000000", str(UUID(int=7))])
def test_what_is_no_call_is_said(connection: Connection, call_id: str) -> None:
    with pytest.raises(UserError):
        list(explanation(connection, UUID(call_id)))


def test_what_is_wrong_with_a_usage_is_said(connection: Connection) -> None:
    with connection.transaction():
        add_calls(connection, 1, usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 7})
    charge_window(connection, [DAY])

    assert "no amount: inconsistent_usage (the total is 7, but prompt_tokens" in explained(connection)


def test_the_tier_of_a_call_is_said_and_what_it_lacks(connection: Connection) -> None:
    with connection.transaction():
        add_calls(connection, 1, model="house-a")
        connection.execute('update raw.llm_calls set tags = \'{"service_tier": "priority"}\'')
    import_prices(connection, prices("house-a", "1"), source="contract")
    charge_window(connection, [DAY])

    text = explained(connection)

    assert "  service tier priority" in text
    assert "no amount: unpriced_service_tier:priority (the model has no price at this" in text
    assert "no price row" not in text


def test_every_attempt_is_explained_with_its_own_usage(connection: Connection) -> None:
    first: dict[str, object] = {
        "provider": "openai",
        "model": "house-a",
        "usage": {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7},
    }
    with connection.transaction():
        add_calls(connection, 1, model="house-b", attempts=[first, {"provider": "azure", "model": "house-b"}])
    import_prices(connection, [*prices("house-a", "1"), *prices("house-b", "2")], source="contract")
    charge_window(connection, [DAY])

    text = explained(connection)

    assert "attempt 0, openai house-a\n  charged" in text
    assert '  usage {"total_tokens": 7, "prompt_tokens": 7, "completion_tokens": 0}' in text
    assert "  amount $0.000007" in text
    assert "  amount $0.0003" in text


def test_a_call_is_found_by_the_id_that_it_was_imported_with(connection: Connection) -> None:
    with connection.transaction():
        add_calls(connection, 2)
    ids = [call_id for (call_id,) in rows(connection, "select call_id from raw.llm_calls order by 1")]
    keep = (
        "insert into raw.external_ids (source, external_id, call_id, started_at, content_hash)"
        " values (%s, %s, %s, now(), '')"
    )
    with connection.transaction():
        for source, name, call_id in (("import", "order 7", ids[0]), ("import", "dup", ids[0])):
            connection.execute(keep, (source, name, call_id))
        connection.execute(keep, ("otlp", "dup", ids[1]))

    assert find_call(connection, "order 7") == ids[0]
    assert find_call(connection, f" {ids[1]}\r\n") == ids[1]
    for text in ("dup", "nothing", "\x00", str(UUID(int=7))):
        with pytest.raises(UserError):
            find_call(connection, text)


def test_what_a_call_took_out_of_budgets_is_told(connection: Connection) -> None:
    with connection.transaction():
        add_calls(connection, 1, model="house-a", usage=None)
        connection.execute(
            """
            insert into raw.reservations (
                started_at, call_id, accounts, reserved_usd, spent_usd, is_presumed, spool_id
            )
            select started_at, call_id, '{bud_1@2026-11,bud_2@2026-11-03#tag}', 0.250, 0.250, true, call_id
            from raw.llm_calls
            """
        )
    told = "reserved $0.25, spent $0.25, as much as was reserved: nobody saw its end"
    text = explained(connection)
    assert f"budget    bud_1@2026-11: {told}" in text
    assert f"budget    bud_2@2026-11-03#tag: {told}" in text
