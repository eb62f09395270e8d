"""Invoices of every form, as documented by whoever sends them, and what is no invoice."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evaluators.invoices.lines import InvoiceFileError, InvoiceLine, Reading
from evaluators.invoices.read import read_invoice

OPENAI_USAGE: dict[str, Any] = {
    "object": "organization.usage.completions.result",
    "input_tokens": 1000,
    "input_cached_tokens": 400,
    "output_tokens": 50,
    "input_audio_tokens": 7,
    "output_audio_tokens": 3,
    "num_model_requests": 5,
    "project_id": "proj_1",
    "api_key_id": "key_1",
    "model": "gpt-4o-2024-08-06",
    "batch": True,
}
GOOGLE: dict[str, Any] = {
    "service": {"description": "Gemini API"},
    "sku": {"id": "A", "description": "Generate content input token count Gemini 2.5 Flash Lite text batch"},
    "usage_start_time": "2026-11-01 06:00:00 UTC",
    "project": {"id": "p"},
    "cost": 1.1,
    "currency": "EUR",
    "currency_conversion_rate": 0.88,
    "usage": {"amount": 500000.0, "unit": "count"},
    "credits": [{"type": "PROMOTION", "amount": -0.44}],
}


def openai_page(*results: dict[str, Any], **changes: Any) -> dict[str, Any]:
    bucket = {"object": "bucket", "start_time": 1730419200, "end_time": 1730505600, "results": list(results)}
    return {"object": "page", "data": [bucket | changes], "has_more": False}


def read(folder: Path, content: object, *, name: str = "invoice.json", **given: Any) -> Reading:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_invoice([path], **given)


def test_openai_usage_is_cut_into_buckets_that_exclude_one_another(tmp_path: Path) -> None:
    reading = read(tmp_path, openai_page(OPENAI_USAGE))
    assert (reading.format, reading.time_zone, reading.rejects) == ("openai", "UTC", [])
    assert reading.lines == [
        InvoiceLine(
            line=1,
            provider="openai",
            day=date(2024, 11, 1),
            model="gpt-4o-2024-08-06",
            key_id="key_1",
            project="proj_1",
            service_tier="batch",
            n_requests=5,
            input_uncached=600,
            cache_read=400,
            cache_write=0,
            input_audio=7,
            input_image=0,
            output=50,
            output_audio=3,
            output_image=0,
        )
    ]
    # The newer form counts audio among the input and output, and says so by naming the text.
    newer = read(tmp_path, openai_page(OPENAI_USAGE | {"input_text_tokens": 993})).lines[0]
    assert (newer.input_uncached, newer.output) == (593, 47)


def test_openai_usage_of_images_is_told_apart(tmp_path: Path) -> None:
    images = {
        "input_text_tokens": 60,
        "input_image_tokens": 540,
        "input_cached_image_tokens": 300,
        "output_image_tokens": 30,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
    }
    line = read(tmp_path, openai_page(OPENAI_USAGE | images)).lines[0]
    found = (line.input_uncached, line.cache_read, line.input_image, line.output, line.output_image)
    assert found == (360, 400, 240, 20, 30)
    [reject] = read(tmp_path, openai_page(OPENAI_USAGE | images | {"output_image_tokens": 51})).rejects
    assert reject.reason == "parts of the tokens are more than their sum"


@pytest.mark.parametrize(
    ("sku", "model", "bucket"),
    [
        ("Gemini 2.5 Flash GA Image Input - Predictions", "gemini-2.5-flash", "input_image"),
        ("Gemini 2.5 Flash Image Output - Predictions", "gemini-2.5-flash-image", "output_image"),
        ("Gemini 3 Pro Image text output", "gemini-3-pro-image", "output"),
        ("Gemini 2.5 Flash Image input", "gemini-2.5-flash-image", "input_uncached"),
    ],
)
def test_google_bills_images_as_their_own_kind(tmp_path: Path, sku: str, model: str, bucket: str) -> None:
    row = GOOGLE | {"sku": {"id": "A", "description": sku}, "credits": []}
    [line] = read(tmp_path, [row]).lines
    assert (line.model, getattr(line, bucket), sum(count or 0 for count in line.counts)) == (
        model,
        500_000,
        500_000,
    )


def test_openai_costs_name_the_model_or_a_fee(tmp_path: Path) -> None:
    items = ["gpt-4o-2024-08-06, cached input", "web search tool calls", None]
    results = [
        {
            "object": "organization.costs.result",
            "amount": {"value": 0.060000000000000005, "currency": "usd"},
            "line_item": item,
        }
        for item in items
    ]
    lines = read(tmp_path, openai_page(*results)).lines
    assert [(line.item, line.model) for line in lines] == [
        ("tokens", "gpt-4o-2024-08-06"),
        ("web search tool calls", None),
        ("tokens", None),
    ]
    assert lines[0].amount_usd == Decimal("0.060000000000000005")
    assert lines[0].kind == "cost"


def test_pages_of_one_export_are_one_invoice(tmp_path: Path) -> None:
    pages = [tmp_path / "1.json", tmp_path / "2.json"]
    pages[0].write_text(json.dumps(openai_page(OPENAI_USAGE) | {"has_more": True}))
    pages[1].write_text(json.dumps(openai_page(OPENAI_USAGE, start_time=1730505600, end_time=1730592000)))
    reading = read_invoice(pages)
    assert [(line.line, line.day.day) for line in reading.lines] == [(1, 1), (2, 2)]
    assert reading.notes == []
    # In whatever order the files are given.
    assert read_invoice(pages[::-1]).notes == []
    missing = "has_more, but no page goes on from 2024-11-02 00:00: pages are missing"
    assert read_invoice(pages[:1]).notes == [missing]


def page_of(day: int, **result: Any) -> dict[str, Any]:
    start = 1730419200 + 86_400 * day
    return openai_page(OPENAI_USAGE | result, start_time=start, end_time=start + 86_400)


def test_a_page_left_out_between_two_is_said(tmp_path: Path) -> None:
    reading = read(tmp_path, [page_of(0) | {"has_more": True}, page_of(2)])
    assert len(reading.lines) == 2
    assert reading.notes == ["has_more, but no page goes on from 2024-11-02 00:00: pages are missing"]
    reading = read(tmp_path, [page_of(0), page_of(2)])
    assert reading.notes == ["nothing is stated of 2024-11-02 00:00 to 2024-11-03 00:00"]


def test_a_page_without_use_is_a_page_of_the_invoice(tmp_path: Path) -> None:
    empty = page_of(1) | {"data": [page_of(1)["data"][0] | {"results": []}]}
    (tmp_path / "1.json").write_text(json.dumps(page_of(0) | {"has_more": True}))
    (tmp_path / "2.json").write_text(json.dumps(empty | {"has_more": True}))
    (tmp_path / "3.json").write_text(json.dumps(page_of(2)))
    reading = read_invoice([tmp_path / f"{number}.json" for number in (1, 2, 3)])
    assert (len(reading.lines), reading.notes) == (2, [])


def test_no_page_counts_twice(tmp_path: Path) -> None:
    one, two, copy = (tmp_path / name for name in ("1.json", "2.json", "copy.json"))
    one.write_text(json.dumps(page_of(0)))
    copy.write_text(json.dumps(page_of(0)))
    two.write_text(json.dumps([page_of(0), page_of(1)]))
    with pytest.raises(InvoiceFileError, match=r"copy\.json: the same file as .*1\.json"):
        read_invoice([one, copy])
    reading = read_invoice([one, two])
    assert ([line.day.day for line in reading.lines], len(reading.rejects)) == ([1, 2], 1)
    assert "given twice" in reading.rejects[0].reason
    # Another result of the same time is no copy: one of another key, say.
    assert len(read(tmp_path, [page_of(0), page_of(0, api_key_id="key_2")]).lines) == 2


def test_two_files_that_overlap_are_no_sum(tmp_path: Path) -> None:
    rows = ("2026-10-01,mistral,m,", "2026-10-02,mistral,m,")
    for name, text in (
        ("a", f"{rows[0]}1\n{rows[1]}1\n"),
        ("b", f"{rows[1]}2\n"),
        ("c", "2026-10-02,mistral,n,2\n"),
    ):
        (tmp_path / f"{name}.csv").write_text(f"day,provider,model,amount_usd\n{text}")
    (tmp_path / "d.csv").write_text("day,provider,model,output\n2026-10-02,mistral,m,7\n")
    with pytest.raises(InvoiceFileError, match="both state 2026-10-02 of mistral m: import them one after"):
        read_invoice([tmp_path / "a.csv", tmp_path / "b.csv"])
    # Of another model, or what the same day counts beside what it costs.
    assert len(read_invoice([tmp_path / "a.csv", tmp_path / "c.csv", tmp_path / "d.csv"]).lines) == 4


def test_a_day_by_the_day_and_by_the_hour_is_refused(tmp_path: Path) -> None:
    hour = openai_page(OPENAI_USAGE, start_time=1730419200, end_time=1730422800)
    with pytest.raises(InvoiceFileError, match="are about the same time: import one of them"):
        read(tmp_path, [page_of(0), hour])
    # Costs and usage of one day, and the usage of two endpoints, stand beside each other.
    assert (
        len(read(tmp_path, [page_of(0), page_of(0, object="organization.usage.embeddings.result")]).lines)
        == 2
    )


def test_anthropic_usage_excludes_the_cache_and_costs_are_in_cents(tmp_path: Path) -> None:
    bucket = {"starting_at": "2026-10-31T00:00:00Z", "ending_at": "2026-11-01T00:00:00Z"}
    usage = {
        "uncached_input_tokens": 107,
        "cache_creation": {"ephemeral_1h_input_tokens": 5, "ephemeral_5m_input_tokens": 17355},
        "cache_read_input_tokens": 16549,
        "output_tokens": 448,
        "model": "claude-sonnet-4-20250514",
        "service_tier": "standard",
        "api_key_id": "apikey_1",
    }
    line = read(tmp_path, {"data": [bucket | {"results": [usage]}], "has_more": False}).lines[0]
    assert line.counts == (None, 107, 16549, 17355, 5, None, None, 448, None, None)
    assert (line.provider, line.day, line.kind) == ("anthropic", date(2026, 10, 31), "usage")
    cost = {"amount": "123.78912", "currency": "USD", "cost_type": "web_search", "model": None}
    line = read(tmp_path, {"data": [bucket | {"results": [cost]}]}).lines[0]
    assert (line.item, line.amount_usd) == ("web_search", Decimal("1.2378912"))


def test_googles_export_is_of_days_in_los_angeles_and_in_dollars(tmp_path: Path) -> None:
    reading = read(tmp_path, [GOOGLE, GOOGLE | {"service": {"description": "Compute Engine"}}])
    assert (reading.format, reading.time_zone, reading.n_other) == ("google", "America/Los_Angeles", 1)
    tokens, credit = reading.lines
    # 23:00 of 31 October there.
    assert (tokens.day, tokens.model, tokens.service_tier) == (
        date(2026, 10, 31),
        "gemini-2.5-flash-lite",
        "batch",
    )
    assert (tokens.input_uncached, tokens.amount_usd) == (500_000, Decimal("1.25"))
    assert (credit.item, credit.amount_usd) == ("credit: PROMOTION", Decimal("-0.5"))


def test_googles_export_as_csv_is_the_same(tmp_path: Path) -> None:
    text = "service_description,sku_description,usage_start_time,cost,currency,"
    text += "project.id,usage.amount,usage.unit\n"
    text += "Vertex AI,Gemini 3 Pro Text Output - Predictions,2026-11-01T08:00:00Z,0.5,USD,p,1000,count\n"
    line = read(tmp_path, text, name="export.csv").lines[0]
    assert (line.day, line.model, line.output, line.project) == (date(2026, 11, 1), "gemini-3-pro", 1000, "p")


def test_what_google_gives_back_is_a_credit_and_a_csv_keeps_its_credits(tmp_path: Path) -> None:
    given_back = GOOGLE | {"cost": -0.22, "credits": [], "usage": {"amount": 0, "unit": "count"}}
    (line,) = read(tmp_path, [given_back]).lines
    assert (line.item, line.amount_usd) == (f"credit: {GOOGLE['sku']['description']}", Decimal("-0.25"))
    head = "service_description,sku_description,usage_start_time,cost,currency,credits\n"
    row = "Gemini API,Gemini 3 Pro Text Output,2026-11-01T08:00:00Z,0.5,USD,"
    granted = '"[{""type"": ""PROMOTION"", ""amount"": -0.1}]"'
    lines = read(tmp_path, f"{head}{row}{granted}\n", name="export.csv").lines
    assert [line.amount_usd for line in lines] == [Decimal("0.5"), Decimal("-0.1")]
    for cell in ("PROMOTION", '"{""amount"": -0.1}"'):
        (reject,) = read(tmp_path, f"{head}{row}{cell}\n", name="export.csv").rejects
        assert reject.reason.startswith("credits")


def test_a_refund_under_a_line_item_of_tokens_is_a_credit(tmp_path: Path) -> None:
    refund = {
        "object": "organization.costs.result",
        "amount": {"value": -0.5, "currency": "usd"},
        "line_item": "gpt-4o-2024-08-06, input",
    }
    line = read(tmp_path, openai_page(refund)).lines[0]
    assert (line.item, line.model) == ("credit: gpt-4o-2024-08-06, input", "gpt-4o-2024-08-06")
    bucket = {"starting_at": "2026-10-31T00:00:00Z", "ending_at": "2026-11-01T00:00:00Z"}
    cost = {"amount": "-50", "currency": "USD", "cost_type": "tokens", "model": "claude-sonnet-4-5"}
    line = read(tmp_path, {"data": [bucket | {"results": [cost]}]}).lines[0]
    assert (line.item, line.amount_usd) == ("credit: tokens", Decimal("-0.5"))


def test_our_own_csv_takes_counts_and_amounts(tmp_path: Path) -> None:
    text = "day,provider,model,n_requests,output,amount_usd,item\n2026-10-31,Mistral,모델🙂,1,,0.10,\n"
    line = read(tmp_path, text, name="own.csv").lines[0]
    assert (line.provider, line.model, line.n_requests, line.output) == ("mistral", "모델🙂", 1, None)
    assert (line.amount_usd, line.kind) == (Decimal("0.10"), "both")


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("2026-02-30,openai,,,1", "day '2026-02-30' is not a day"),
        ("2026-10-31,,,,1", "no provider"),
        ("2026-10-31,openai,-1,,1", "n_requests '-1' is not a count"),
        ("2026-10-31,openai,1.5,,1", "n_requests '1.5' is not a count"),
        ("2026-10-31,openai,,,NaN", "amount_usd 'NaN' is not an amount of money"),
        ("2026-10-31,openai,,,1e99", "amount_usd '1e99' is not an amount of money"),
        ("2026-10-31,openai,,,-1", "a negative amount for tokens; name a credit as its item"),
        ("2026-10-31,openai,,,", "neither an amount nor a count"),
        ("2026-10-31,openai,,,1,2", "more cells than columns"),
        ("2026-10-31,open\x00ai,,,1", r"provider 'open\x00ai' is no name"),
    ],
)
def test_a_bad_line_says_what_is_wrong(tmp_path: Path, cells: str, reason: str) -> None:
    reading = read(tmp_path, f"day,provider,n_requests,item,amount_usd\n{cells}\n", name="own.csv")
    assert ([each.reason for each in reading.rejects], reading.lines) == ([reason], [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"input_cached_tokens": 1001}, "parts of the tokens are more than their sum"),
        ({"input_tokens": "many"}, "input_tokens 'many' is not a count"),
        ({"object": "organization.project"}, "object 'organization.project' is neither usage nor costs"),
    ],
)
def test_contradictory_usage_is_rejected(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    reading = read(tmp_path, openai_page(OPENAI_USAGE | changes))
    assert [each.reason for each in reading.rejects] == [reason]


def test_a_bucket_of_a_month_and_another_currency_are_rejected(tmp_path: Path) -> None:
    assert (
        "longer than a day"
        in read(tmp_path, openai_page(OPENAI_USAGE, end_time=1733097600)).rejects[0].reason
    )
    without_rate = {key: value for key, value in GOOGLE.items() if key != "currency_conversion_rate"}
    assert (
        read(tmp_path, [without_rate]).rejects[0].reason
        == "currency 'EUR' without a currency_conversion_rate"
    )


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        ("", "own.csv", "no column day, provider"),
        ("day,provider,amount_usd\n", "own.csv", "no lines"),
        ("day,provider,cost\n2026-01-01,x,1\n", "own.csv", "unknown column 'cost'"),
        ("day,provider,amount_usd,amount_usd\n", "own.csv", "column 'amount_usd' stands twice"),
        ('{"object": "page", "data": 5}', "x.json", "no lines"),
        ('{"data": [], "has_more": false}', "x.json", "no lines"),
        ("{", "x.json", "no JSON"),
        ("[" * 100_000, "x.json", "no JSON"),
        ("[1]", "x.json", "not an object"),
        ('{"id": 1}', "x.json", "JSON of no known report"),
        ('{"object": "page", "data": []}', "x.json", "no lines"),
    ],
)
def test_what_is_no_invoice_is_refused_in_one_line(
    tmp_path: Path, content: str, name: str, problem: str
) -> None:
    with pytest.raises(InvoiceFileError, match=problem) as caught:
        read(tmp_path, content, name=name)
    assert "\n" not in str(caught.value)


def test_days_that_hours_cannot_make_up_are_refused(tmp_path: Path) -> None:
    text = "day,provider,amount_usd\n2026-10-31,mistral,1\n"
    with pytest.raises(InvoiceFileError, match="days of Asia/Kolkata begin within an hour"):
        read(tmp_path, text, name="own.csv", time_zone="Asia/Kolkata")
    assert read(tmp_path, text, name="own.csv", time_zone="Asia/Seoul").time_zone == "Asia/Seoul"


def test_an_export_knows_its_own_time_zone(tmp_path: Path) -> None:
    with pytest.raises(InvoiceFileError, match="openai's exports are of days of UTC, not of Asia/Seoul"):
        read(tmp_path, openai_page(OPENAI_USAGE), time_zone="Asia/Seoul")


def test_a_time_zone_that_there_is_not_is_refused(tmp_path: Path) -> None:
    for zone in ("Mars/Olympus", "../etc", ""):
        with pytest.raises(InvoiceFileError, match="there is no time zone"):
            read(tmp_path, "day,provider\n", name="own.csv", time_zone=zone)
