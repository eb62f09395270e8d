"""Image tokens in charges: priced apart, explained, and without a silent change of what was before."""

from decimal import Decimal
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.checks.money import check_closed_days
from orchestration.closing import close_day
from orchestration.commands.explain import explanation
from orchestration.cost.charging import charge_window
from orchestration.cost.price_book import import_prices
from orchestration.cost.price_renewal import renew_snapshots
from tests.orchestration.cost.test_charging import prices
from tests.orchestration.seeding import DAY, DAY_START, add_calls, rows

Connection = psycopg.Connection[TupleRow]
TODAY = DAY_START.date()
SEEN: dict[str, object] = {
    "promptTokenCount": 1300,
    "candidatesTokenCount": 10,
    "totalTokenCount": 1310,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 10},
        {"modality": "IMAGE", "tokenCount": 1290},
    ],
}
DRAWN: dict[str, object] = {
    "promptTokenCount": 9,
    "candidatesTokenCount": 1295,
    "totalTokenCount": 1304,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
}
EDITED: dict[str, object] = {
    "input_tokens": 50,
    "output_tokens": 100,
    "total_tokens": 150,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
}
# A charge as it was written before images were counted: what they were stood in the uncached input.
AS_BEFORE: LiteralString = """
update cost.charges
set input_uncached = input_uncached + coalesce(input_image, 0), input_image = null, output_image = null
"""
COUNTED: LiteralString = (
    "select input_uncached, input_image, output_text, output_image, amount_usd from cost.charges"
)


def charged(connection: Connection, **call: Any) -> None:
    with connection.transaction():
        add_calls(connection, 1, **call)
    charge_window(connection, [DAY])


def written_before(connection: Connection) -> None:
    with connection.transaction():
        connection.execute(AS_BEFORE)


def test_images_read_cost_what_input_costs_and_explain_says_so(connection: Connection) -> None:
    import_prices(connection, prices("house-g", "2"), source="contract")
    charged(connection, provider="google", model="house-g", usage=SEEN)

    assert rows(connection, COUNTED) == [(10, 1290, 10, 0, Decimal("0.00262"))]
    [(call_id,)] = rows(connection, "select call_id from raw.llm_calls")
    text = "\n".join(explanation(connection, call_id))
    assert "  input_image           1,290  x $2 per million = $0.00258" in text
    assert ", input_uncached, standard, " in text and "which is not the amount" not in text


def test_images_written_have_no_price_of_text(connection: Connection) -> None:
    import_prices(connection, prices("house-g", "2"), source="contract")
    charged(connection, provider="google", model="house-g", usage=DRAWN)

    assert rows(connection, "select output_image, amount_usd, unpriced_reason from cost.charges") == [
        (1290, None, "unpriced_bucket:output_image")
    ]


def test_an_edited_image_is_charged_at_the_library_s_prices(connection: Connection) -> None:
    with connection.transaction():
        add_calls(connection, 1, model="gpt-image-1", usage=EDITED)
        connection.execute("update raw.llm_calls set endpoint = '/v1/images/edits'")
    charge_window(connection, [DAY])

    # Text $5, images $10 in and $40 out per million tokens.
    assert rows(connection, COUNTED) == [(10, 40, 0, 100, Decimal("0.00445"))]


def test_charges_without_images_of_before_they_were_counted_are_not_restated(connection: Connection) -> None:
    charged(connection)
    written_before(connection)

    again = charge_window(connection, [DAY], reprice=True)

    assert (again.n_priced, again.n_restated) == (0, 0)
    assert rows(connection, "select input_image, output_image from cost.charges") == [(None, None)]


def test_charges_with_images_of_before_are_restated_at_the_same_amount(connection: Connection) -> None:
    charged(connection, provider="google", model="gemini-2.5-flash", usage=SEEN)
    written_before(connection)
    [before] = rows(connection, COUNTED)

    again = charge_window(connection, [DAY], reprice=True)

    assert again.n_restated == 1
    [after] = rows(connection, COUNTED)
    assert (before[:2], after[:2], before[4]) == ((1300, None), (10, 1290), after[4])


@pytest.mark.parametrize("tampering", ["input_image = 7", "output_image = 7"])
def test_a_closed_day_s_digest_is_that_of_before_and_sees_images(
    connection: Connection, tampering: LiteralString
) -> None:
    charged(connection)
    written_before(connection)
    close_day(connection, TODAY)
    assert [check.passed for check in check_closed_days(connection, [TODAY])] == [True]
    with connection.transaction():
        connection.execute("update cost.charges set input_image = 0, output_image = 0")
    assert [check.passed for check in check_closed_days(connection, [TODAY])] == [True]
    with connection.transaction():
        connection.execute("update cost.charges set " + tampering)
    assert [check.passed for check in check_closed_days(connection, [TODAY])] == [False]


def test_copies_of_before_learn_what_images_cost_and_mark_their_hours(connection: Connection) -> None:
    charged(connection, provider="google", model="gemini-2.5-flash-image", usage=DRAWN)
    with connection.transaction():
        connection.execute("delete from cost.prices where bucket = 'output_image'")
        connection.execute("update cost.prices set source = replace(source, '+2', '')")
        connection.execute("delete from raw.dirty_hours")

    assert renew_snapshots(connection) == 1

    added = "select bucket, usd_per_million, valid_to from cost.prices order by id desc limit 1"
    assert rows(connection, added) == [("output_image", Decimal(30), None)]
    assert rows(connection, "select hour from raw.dirty_hours where stage = 'prices'") == [(DAY.start,)]
    assert renew_snapshots(connection) == 0
