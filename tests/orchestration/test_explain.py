"""`lqo explain`: usage, buckets, price rows, versions and charge of one call."""

from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.charging import charge_corrected, charge_window
from orchestration.commands.errors import UserError
from orchestration.commands.explain import explanation
from orchestration.price_book import import_prices
from tests.orchestration.seeding import DAY, add_calls, rows
from tests.orchestration.test_charging import prices

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
