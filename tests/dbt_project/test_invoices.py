"""Invoices beside charges that real prices made: what matches, and where a gap comes from."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.invoices.read import read_invoice
from evaluators.pricing.rows import PriceRow
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.cost.charging import charge_window
from orchestration.cost.invoices import (
    Imported,
    InvoiceError,
    import_invoice,
    list_invoices,
    name_key,
    withdraw_invoice,
)
from orchestration.cost.price_book import import_prices
from orchestration.windows import Window
from tests.conftest import create_database, drop_database
from tests.dbt_project.marts import records
from tests.dbt_project.running_dbt import Dbt, days
from tests.orchestration.seeding import add_calls

Connection = psycopg.Connection[TupleRow]
DAY = datetime(2026, 10, 31, tzinfo=UTC)
MORE = {"painter": {"output_image": "30"}, "writer": {"cache_write": "2.5"}}
PRICES = {"input_uncached": "2", "cache_read": "0.5", "output_text": "8"}
USAGE: dict[str, object] = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 400},
}
WRITTEN = USAGE | {"prompt_tokens_details": {"cache_write_tokens": 400}}
WRITTEN_EACH = Decimal("0.003")
"""600 tokens at $2, 400 written to a cache at $2.5 and 100 at $8 a million; an hour has no price."""
BATCH = USAGE | {"service_tier": "batch"}
EACH = Decimal("0.0022")
"""600 tokens at $2, 400 at $0.5 and 100 at $8 a million."""
PAINTED: dict[str, object] = {
    "promptTokenCount": 1000,
    "candidatesTokenCount": 500,
    "totalTokenCount": 1500,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 700},
        {"modality": "IMAGE", "tokenCount": 300},
    ],
    "candidatesTokensDetails": [
        {"modality": "TEXT", "tokenCount": 100},
        {"modality": "IMAGE", "tokenCount": 400},
    ],
}
PAINTED_EACH = Decimal("0.0148")
"""1,000 tokens at $2, images or not, 100 at $8 and 400 of images at $30 a million."""


@pytest.fixture(scope="module")
def charged(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str, dbt: Dbt
) -> Iterator[DatabaseUrl]:
    """On 31 October 2026, 100 calls of 30 seconds apart from 00:00, and 40 from 23:00 on; one attempt in ten
    of another model failed without usage before it was answered, and half the calls of one have no price."""
    name = f"lqo_invoices_{uuid4().hex}"
    url = owner_url.with_database(name)
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=modelled_template)
    with connect(url) as connection:
        add_prices(connection)
        spacing = timedelta(seconds=30)
        given: dict[str, Any] = {"spacing": spacing, "usage": USAGE}
        add_calls(connection, 100, start=DAY, model="house-2026-01-01", **given)
        add_calls(connection, 40, start=DAY + timedelta(hours=23), model="house", seed="b", **given)
        tried: list[dict[str, object]] = [
            {"provider": "openai", "model": "retried", "status": 500},
            {"provider": "openai", "model": "retried", "status": 200, "usage": USAGE},
        ]
        add_calls(connection, 10, start=DAY, model="retried", seed="c", attempts=tried, **given)
        add_calls(connection, 10, start=DAY, model="judging", seed="d", purpose="judge", **given)
        add_calls(connection, 10, start=DAY, model="google-house", seed="e", provider="google", **given)
        painted: dict[str, Any] = given | {"usage": PAINTED, "provider": "google"}
        unpriced: dict[str, Any] = given | {"usage": BATCH}
        add_calls(connection, 10, start=DAY, model="painter", seed="f", **painted)
        add_calls(connection, 10, start=DAY, model="gapped", seed="g", **given)
        add_calls(connection, 10, start=DAY, model="gapped", seed="h", **unpriced)
        writing: dict[str, Any] = given | {"usage": WRITTEN}
        add_calls(connection, 10, start=DAY, model="writer", seed="i", **writing)
        add_calls(connection, 10, start=DAY, model="newest", seed="j", **given)
        connection.commit()
        charge_window(connection, [Window(DAY, DAY + timedelta(days=1))])
    dbt.build(url, windows=days(DAY.date()))
    yield url
    with connect(maintenance_url, autocommit=True) as maintenance:
        drop_database(maintenance, name)


def add_prices(connection: Connection) -> None:
    import_prices(
        connection,
        [
            PriceRow(
                provider=None,
                model=model,
                bucket=bucket,
                usd_per_million=Decimal(usd),
                valid_from=datetime(2026, 1, 1, tzinfo=UTC),
                recorded_at=DAY,
                source="test",
            )
            for model in (
                "house",
                "house-2026-01-01",
                "retried",
                "judging",
                "google-house",
                "painter",
                "gapped",
                "writer",
            )
            for bucket, usd in (PRICES | MORE.get(model, {})).items()
        ],
        source="test",
    )


@pytest.fixture
def connection(charged: DatabaseUrl) -> Iterator[Connection]:
    """What a test imports is gone after it."""
    with connect(charged) as opened:
        yield opened
        opened.rollback()
        opened.execute(
            "delete from cost.invoice_lines; delete from cost.invoices; delete from cost.invoice_keys"
        )
        opened.commit()


def import_csv(connection: Connection, folder: Path, text: str, **given: Any) -> Imported:
    """Import a CSV of our own form; `time_zone` is the reading's, the rest the import's."""
    path = folder / "invoice.csv"
    path.write_text(text)
    reading = read_invoice([path], time_zone=given.pop("time_zone", None))
    assert not reading.rejects
    return import_invoice(connection, reading, source="invoice.csv", **given)


def compared(connection: Connection, model: str) -> dict[str, Any]:
    """The one row of a model, and that its causes add up to the gap."""
    rows = records(connection, "select * from marts.invoice_reconciliation")
    (row,) = (row for row in rows if row["model"] == model)
    causes = [row[name] for name in row if name.endswith("_usd") and name not in TOTALS]
    assert sum(causes) == pytest.approx(row["gap_usd"], abs=Decimal("1e-12"))
    return row


TOTALS = ("billed_usd", "charged_usd", "gap_usd", "allowed_usd")


def nonzero(row: dict[str, Any]) -> dict[str, float]:
    """The causes that are not 0, rounded to a thousandth of a cent."""
    causes = {
        name: round(float(row[name]), 5) for name in row if name.endswith("_usd") and name not in TOTALS
    }
    return {name.removesuffix("_usd"): value for name, value in causes.items() if value}


HEAD = "day,provider,model,n_requests,input_uncached,cache_read,output,amount_usd\n"


def test_hours_have_every_attempt_on_a_line_and_what_the_cache_saved(connection: Connection) -> None:
    lines = records(
        connection,
        "select model, line, purpose, sum(n_attempts) as n, sum(n_calls) as calls, sum(amount_usd) as usd,"
        " sum(cache_read_saved_usd) as saved from marts.cost_hourly group by 1, 2, 3 order by 1, 2",
    )
    assert [(row["model"], row["line"], row["purpose"], row["n"], row["calls"]) for row in lines] == [
        ("gapped", "answer", "product", 20, 20),
        ("google-house", "answer", "product", 10, 10),
        ("house", "answer", "product", 40, 40),
        ("house-2026-01-01", "answer", "product", 100, 100),
        ("judging", "answer", "judge", 10, 10),
        ("newest", "answer", "product", 10, 10),
        ("painter", "answer", "product", 10, 10),
        ("retried", "failed_attempt", "product", 10, 0),
        ("retried", "fallback", "product", 10, 10),
        ("writer", "answer", "product", 10, 10),
    ]
    by_model = {(row["model"], row["line"]): row for row in lines}
    assert by_model["house", "answer"]["usd"] == 40 * EACH
    assert by_model["retried", "failed_attempt"]["usd"] is None
    assert by_model["house", "answer"]["saved"] == 40 * 400 * Decimal("1.5") / 1_000_000
    charges, hours = (
        records(connection, f"select sum(amount_usd) as usd from {relation}")[0]["usd"]
        for relation in ("cost.charges", "marts.cost_hourly")
    )
    assert charges == hours == 180 * EACH + 10 * PAINTED_EACH + 10 * WRITTEN_EACH
    saved = records(connection, "select model, cache_saved_usd as usd from marts.cost_attempts_daily")
    by_name = {row["model"]: row["usd"] for row in saved if row["usd"]}
    assert by_name["writer"] == -10 * 400 * Decimal("0.5") / 1_000_000


def test_an_invoice_of_what_we_charged_matches_under_the_name_of_a_snapshot(
    connection: Connection, tmp_path: Path
) -> None:
    import_csv(
        connection, tmp_path, HEAD + f"2026-10-31,openai,HOUSE-2026-01-01,140,84000,56000,14000,{140 * EACH}"
    )
    row = compared(connection, "house")
    assert (row["verdict"], row["gap_usd"], row["charged_usd"]) == ("matched", 0, 140 * EACH)
    assert (row["key_id"], row["billed_requests"], row["charged_requests"]) == ("(all)", 140, 140)
    # A covered day's calls without a line are said, and not left out.
    other = compared(connection, "judging")
    assert (other["verdict"], other["basis"], nonzero(other)) == (
        "explained",
        "not_billed",
        {"calls_not_seen": float(-10 * EACH)},
    )


@pytest.mark.parametrize(
    ("line", "verdict", "causes"),
    [
        # 60 more requests with tokens like ours.
        ("house,200,120000,80000,20000,0.44", "explained", {"calls_not_seen": 0.132}),
        # The same tokens, none of them from a cache: 56,000 at $1.5 more.
        ("house,140,140000,0,14000,0.392", "explained", {"cache": 0.084}),
        # The same tokens at twice the price.
        ("house,140,84000,56000,14000,0.616", "not matched", {"unexplained": 0.308}),
        # A third of a cent, on one amount.
        ("house,140,84000,56000,14000,0.311", "matched", {"rounding": 0.003}),
        # 1 % more than charged is inside the tolerance, and is still said.
        ("house,140,84000,56000,14000,0.3141", "matched", {"unexplained": 0.0061}),
        # Five attempts that failed without usage here were billed there.
        ("retried,15,9000,6000,1500,0.033", "explained", {"retries": 0.011}),
        # Twice as many requests as we know of: ten were retries, five we never saw.
        ("retried,25,15000,10000,2500,0.055", "explained", {"retries": 0.022, "calls_not_seen": 0.011}),
        # Amounts alone: nothing says why.
        ("house,,,,,0.5", "not matched", {"unexplained": 0.192}),
        # Requests and an amount.
        ("house,280,,,,0.616", "explained", {"calls_not_seen": 0.308}),
        ("never-called,3,30,,3,7.5", "explained", {"calls_not_seen": 7.5}),
        # Ten calls of ours have no price: they explain what their tokens cost, and no more.
        ("gapped,,,,,0.044", "explained", {"unpriced": 0.022}),
        ("gapped,,,,,0.5", "not matched", {"unpriced": 0.022, "unexplained": 0.456}),
        # Billed is less than what was charged for the others: that is no cause.
        ("gapped,,,,,0.005", "not matched", {"unexplained": -0.017}),
        ("gapped,20,12000,8000,2000,0.044", "explained", {"unpriced": 0.022}),
        # Nobody knows what these cost: that is the cause, and no explanation.
        ("newest,10,6000,4000,1000,500", "no price", {"unpriced": 500.0}),
        ("newest,,,,,500", "no price", {"unpriced": 500.0}),
    ],
)
def test_a_gap_is_split_by_cause(
    connection: Connection, tmp_path: Path, line: str, verdict: str, causes: dict[str, float]
) -> None:
    import_csv(connection, tmp_path, HEAD + f"2026-10-31,openai,{line}")
    row = compared(connection, line.split(",", maxsplit=1)[0])
    assert (row["verdict"], nonzero(row)) == (verdict, causes)


@pytest.mark.parametrize(
    ("line", "verdict", "causes"),
    [
        ("10,7000,3000,1000,4000,0.148", "matched", {}),
        # A bill that does not tell images from other input.
        ("10,10000,,1000,4000,0.148", "matched", {}),
        # 2,000 tokens of images that no call of ours has.
        ("10,7000,3000,1000,6000,0.208", "explained", {"calls_not_seen": 0.06}),
    ],
)
def test_images_are_compared_by_their_own_tokens_and_prices(
    connection: Connection, tmp_path: Path, line: str, verdict: str, causes: dict[str, float]
) -> None:
    head = "day,provider,model,n_requests,input_uncached,input_image,output,output_image,amount_usd\n"
    import_csv(connection, tmp_path, f"{head}2026-10-31,google,painter,{line}\n")
    row = compared(connection, "painter")
    assert (row["verdict"], nonzero(row), row["charged_usd"]) == (verdict, causes, 10 * PAINTED_EACH)


def test_a_tier_a_fee_and_a_credit_are_causes_of_their_own(connection: Connection, tmp_path: Path) -> None:
    text = "day,provider,model,service_tier,item,input_uncached,cache_read,output,amount_usd\n"
    text += "2026-10-31,openai,house,batch,,84000,56000,14000,0.154\n"
    text += "2026-10-31,openai,,,web search,,,,1.25\n"
    text += "2026-10-31,openai,house,,credit: launch,,,,-0.05\n"
    import_csv(connection, tmp_path, text)
    assert nonzero(compared(connection, "house")) == {"tier": -0.154, "fees": -0.05}
    fees = compared(connection, "(fees)")
    assert (fees["verdict"], nonzero(fees)) == ("explained", {"fees": 1.25})


def test_a_credit_on_a_day_without_tokens_is_of_its_model(connection: Connection, tmp_path: Path) -> None:
    """The day's calls are of their models, too, and not one heap that nothing explains."""
    text = "day,provider,model,item,amount_usd\n2026-10-31,openai,house,credit: launch,-0.05\n"
    import_csv(connection, tmp_path, text)
    row = compared(connection, "house")
    assert (row["verdict"], nonzero(row)) == ("explained", {"fees": -0.05, "calls_not_seen": -0.308})
    assert compared(connection, "judging")["basis"] == "not_billed"


def test_a_day_of_another_time_zone_takes_its_hours_along(connection: Connection, tmp_path: Path) -> None:
    """In Los Angeles, summer time until 1 November 2026: all of our calls are of the 30th and the 31st."""
    text = HEAD + f"2026-10-30,openai,house,100,60000,40000,10000,{100 * EACH}\n"
    text += f"2026-10-31,openai,house,40,24000,16000,4000,{40 * EACH}\n"
    import_csv(connection, tmp_path, text, time_zone="America/Los_Angeles")
    rows = records(
        connection,
        "select day::text, verdict, charged_usd, time_zone_usd, unexplained_usd"
        " from marts.invoice_reconciliation where model = 'house' order by day",
    )
    assert [list(row.values()) for row in rows] == [
        ["2026-10-30", "matched", 0, 100 * EACH, 0],
        ["2026-10-31", "matched", 140 * EACH, -100 * EACH, 0],
    ]


def test_keys_are_told_apart_once_each_is_known(connection: Connection, tmp_path: Path) -> None:
    page = """{"object": "page", "has_more": false, "data": [{"object": "bucket", "start_time": 1793404800,
        "end_time": 1793491200, "results": [{"object": "organization.usage.completions.result",
        "input_tokens": 10000, "input_cached_tokens": 4000, "output_tokens": 1000, "num_model_requests": 10,
        "model": "judging", "api_key_id": "key_abc"}]}]}"""
    path = tmp_path / "usage.json"
    path.write_text(page)
    import_invoice(connection, read_invoice([path]), source="usage.json")
    row = compared(connection, "judging")
    assert (row["verdict"], row["basis"], row["key_id"], row["billed_usd"]) == (
        "matched",
        "usage",
        "(all)",
        10 * EACH,
    )
    name_key(connection, provider="openai", theirs="key_abc", ours="(none)")
    assert compared(connection, "judging")["key_id"] == "(none)"


def test_the_same_invoice_twice_is_one_and_a_later_one_states_the_day_anew(
    connection: Connection, tmp_path: Path
) -> None:
    lines = ["2026-10-31,openai,house,1,1,,1,0.1", "2026-10-31,google,google-house,1,1,,1,0.2"]
    first = import_csv(connection, tmp_path, HEAD + "\n".join(lines))
    again = import_csv(connection, tmp_path, HEAD + "\n".join(reversed(lines)))
    assert (again.is_known, again.invoice_id) == (True, first.invoice_id)
    other = import_csv(connection, tmp_path, HEAD + lines[0], account="second")
    assert other.n_superseded == 0
    later = import_csv(connection, tmp_path, HEAD + "2026-10-31,openai,house,140,84000,56000,14000,0.308")
    assert (later.is_known, later.n_superseded) == (False, 1)
    usd = {
        row["model"]: row["billed_usd"]
        for row in records(connection, "select * from marts.invoice_reconciliation where billed_usd > 0")
    }
    assert usd == {"house": Decimal("0.408"), "google-house": Decimal("0.2")}


def test_an_invoice_taken_back_leaves_what_it_had_replaced(connection: Connection, tmp_path: Path) -> None:
    line = "2026-10-31,openai,house,140,84000,56000,14000,"
    first = import_csv(connection, tmp_path, HEAD + line + "0.308")
    import_csv(connection, tmp_path, HEAD + line + "0.5")
    third = import_csv(connection, tmp_path, HEAD + line + "0.7")
    assert withdraw_invoice(connection, first.invoice_id + 1, by="ada") == 0
    assert compared(connection, "house")["billed_usd"] == Decimal("0.7")
    assert withdraw_invoice(connection, third.invoice_id, by="ada") == 1
    assert compared(connection, "house")["billed_usd"] == Decimal("0.308")
    assert [(each.n_current, each.withdrawn_at is None) for each in list_invoices(connection)] == [
        (0, False),
        (0, False),
        (1, True),
    ]
    with pytest.raises(InvoiceError, match="withdrawn already"):
        withdraw_invoice(connection, third.invoice_id, by="ada")
    # What was taken back may come again.
    assert not import_csv(connection, tmp_path, HEAD + line + "0.7").is_known
    again = import_csv(connection, tmp_path, HEAD + line + "0.308")
    assert (again.is_known, again.n_outdated) == (True, 1)


def test_one_day_is_not_compared_in_two_time_zones(connection: Connection, tmp_path: Path) -> None:
    text = HEAD + "2026-10-31,openai,house,140,84000,56000,14000,0.308"
    first = import_csv(connection, tmp_path, text)
    with pytest.raises(
        InvoiceError, match=f"invoice {first.invoice_id} states 2026-10-31 of openai in days of UTC"
    ):
        import_csv(connection, tmp_path, text, account="second", time_zone="Asia/Seoul")
    # The same account says it anew: then the first one's zone was the wrong one.
    import_csv(connection, tmp_path, text, time_zone="Asia/Seoul")
    assert compared(connection, "house")["time_zone"] == "Asia/Seoul"


@pytest.mark.parametrize(
    ("relation", "condition"),
    [
        ("invoice_reconciliation", "(hour >= "),
        ("cost_attempts_daily", "((hour AT TIME ZONE 'UTC'::text))::date >= "),
        ("cost_movers", "((hour AT TIME ZONE 'UTC'::text))::date > "),
    ],
)
def test_a_month_is_answered_without_reading_the_others(
    connection: Connection, tmp_path: Path, relation: str, condition: str
) -> None:
    """Sequential scans are dear here: a small mart shows what the planner could do with a large one."""
    import_csv(connection, tmp_path, HEAD + "2026-10-31,openai,house,140,84000,56000,14000,0.308")
    # Nor nested loops: over a large mart, the planner would rather read all of it once and hash it.
    for setting in ("seq_page_cost = 1000000", "enable_bitmapscan = off", "enable_nestloop = off"):
        connection.execute(f"set local {setting}".encode())
    month = "" if relation == "cost_movers" else " where day >= '2026-10-01' and day < '2026-11-01'"
    plan = [line for (line,) in connection.execute(f"explain select * from marts.{relation}{month}".encode())]
    reads = [
        place for place, line in enumerate(plan) if re.search(r"Index Scan using \S+ on cost_hourly", line)
    ]
    assert reads, plan
    assert not [line for line in plan if "Seq Scan on cost_hourly" in line]
    assert any("Index Cond" in plan[place + 1] and condition in plan[place + 1] for place in reads), plan


def test_the_dbt_test_warns_of_what_is_unexplained(
    connection: Connection, charged: DatabaseUrl, dbt: Dbt, tmp_path: Path
) -> None:
    import_csv(connection, tmp_path, HEAD + "2026-10-31,openai,house,140,84000,56000,14000,9.99")
    # On whatever day it runs: the invoice came after that day's marts.
    for windows in ("all", days(date(2026, 1, 1))):
        outcome = dbt(
            "test",
            "--select",
            "invoice_reconciliation cost_hours_equal_charges",
            url=charged,
            windows=windows,
        )
        assert outcome.success, outcome.text
        assert outcome.nodes == {
            "invoice_causes_add_up_to_the_gap": "pass",
            "invoices_are_explained_within_their_tolerance": "warn",
            "cost_hours_equal_charges": "pass",
        }
