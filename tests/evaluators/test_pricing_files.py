"""Price files: what becomes a row, what is rejected and why."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from evaluators.pricing.book import PriceBook, price
from evaluators.pricing.files import PriceFileError, read_price_file
from evaluators.pricing.genai import snapshot_rows
from evaluators.pricing.history import implausible
from evaluators.pricing.rejects import PriceFile
from evaluators.pricing.rows import Charge, PriceRow, Unpriced

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HEADER = "provider,model,bucket,usd_per_million,valid_from,valid_to,source,min_input_tokens,service_tier\n"
WIDE = (
    "model,observed_from,input_cost_per_token,output_cost_per_token,input_cost_per_token_above_200k_tokens\n"
)


def read(folder: Path, text: str, name: str = "prices.csv") -> PriceFile:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_price_file(path, recorded_at=NOW)


def reasons(file: PriceFile) -> list[tuple[int, str]]:
    return [(reject.line, reject.reason) for reject in file.rejects]


def test_a_line_becomes_a_row(tmp_path: Path) -> None:
    line = "openai,gpt-4o,input_uncached,2.50,2024-08-06,2025-01-01T00:00:00+09:00,contract 7,200000,batch\n"
    (row,) = read(tmp_path, HEADER + line).rows
    assert (row.provider, row.model, row.bucket, row.usd_per_million) == (
        "openai",
        "gpt-4o",
        "input_uncached",
        Decimal("2.50"),
    )
    assert row.valid_from == datetime(2024, 8, 6, tzinfo=UTC)
    assert row.valid_to == datetime(2024, 12, 31, 15, tzinfo=UTC)
    assert (row.source, row.min_input_tokens, row.service_tier) == ("contract 7", 200_000, "batch")
    assert (row.recorded_at, row.match) == (NOW, "exact")


def test_blank_cells_take_the_defaults(tmp_path: Path) -> None:
    (row,) = read(tmp_path, HEADER + ",gpt-4o,output_text,10,2024-08-06,,,,\n").rows
    assert (row.provider, row.valid_to, row.source) == (None, None, "prices.csv")
    assert (row.min_input_tokens, row.service_tier) == (0, "standard")


def test_yaml_keeps_the_digits_of_a_price(tmp_path: Path) -> None:
    row = "model: m, bucket: output_text, usd_per_million: 0.100000000001, match: prefix"
    text = f"- {{{row}, valid_from: 2026-01-01}}"
    (row,) = read(tmp_path, text, "prices.yaml").rows
    assert row.usd_per_million == Decimal("0.100000000001")
    assert row.match == "prefix"


@pytest.mark.parametrize(
    ("model", "match", "named"),
    [
        ("gpt-4o*", "", ("gpt-4o", "prefix")),
        ("gpt-4o*", "prefix", ("gpt-4o", "prefix")),
        ("gpt-4o", "prefix", ("gpt-4o", "prefix")),
        ("gpt-4o*", "exact", ("gpt-4o*", "exact")),
    ],
)
def test_a_star_at_the_end_of_a_model_says_prefix(
    tmp_path: Path, model: str, match: str, named: tuple[str, str]
) -> None:
    text = f"model,bucket,usd_per_million,valid_from,match\n{model},output_text,1,2026-01-01,{match}\n"
    (row,) = read(tmp_path, text).rows
    assert (row.model, row.match) == named


def test_a_null_in_yaml_is_a_blank_cell_and_a_quoted_one_a_name(tmp_path: Path) -> None:
    row = 'model: "null", bucket: output_text, usd_per_million: 1, valid_from: 2026-01-01'
    (row,) = read(tmp_path, f"- {{{row}, valid_to: null, provider: ~}}", "prices.yaml").rows
    assert (row.model, row.valid_to, row.provider) == ("null", None, None)


def test_a_few_lines_of_yaml_that_stand_for_terabytes_are_refused(tmp_path: Path) -> None:
    lines = ["- {model: &a0 [x, x]}", *(f"- {{model: &a{n} [{f'*a{n - 1}, ' * 9}]}}" for n in range(1, 15))]
    with pytest.raises(PriceFileError, match="item 1: model is no plain text"):
        read(tmp_path, "\n".join(lines), "prices.yaml")


def test_a_cell_of_megabytes_is_a_reason_of_one_line(tmp_path: Path) -> None:
    huge = "9" * 10**6
    text = f"- {{model: m, bucket: {huge}, usd_per_million: 1, valid_from: 2026-01-01}}"
    (reject,) = read(tmp_path, text, "prices.yaml").rejects
    assert reject.reason.startswith("unknown bucket '999")
    assert len(reject.reason) <= 300


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("m,output_text,-1,2026-01-01,", "price is negative"),
        ("m,output_text,NaN,2026-01-01,", "price is not a finite number"),
        ("m,output_text,ten,2026-01-01,", "price 'ten' is not a number"),
        ("m,output_text,,2026-01-01,", "price None is not a number"),
        ("m,output_text,10001,2026-01-01,", "price is above $10,000 per million tokens"),
        ("m,output_text,0.0000000000001,2026-01-01,", "price has more than 12 decimal places"),
        ("m,output_text,1e-1000030,2026-01-01,", "price has more than 12 decimal places"),
        (f"m,output_text,2.5{'0' * 30}1,2026-01-01,", "price has more than 12 decimal places"),
        ("m,outputs,1,2026-01-01,", "unknown bucket 'outputs'"),
        (",output_text,1,2026-01-01,", "no model"),
        ("*,output_text,1,2026-01-01,", "no model"),
        ("m,output_text,1,yesterday,", "'yesterday' is not a day or time such as 2026-01-31"),
        ("m,output_text,1,2026-01-01T00:00:00,", "'2026-01-01T00:00:00' is a naive time"),
        ("m,output_text,1,,", "None is not a day or time such as 2026-01-31"),
        ("m,output_text,1,2026-01-02,2026-01-02", "valid_to is not after valid_from"),
        ("m,output_text,1,2026-01-02,,,-5", "min_input_tokens '-5' is not a token count"),
        (
            "m,output_text,1,2026-01-02,,genai-prices 9",
            "source 'genai-prices 9' is reserved for prices that nobody stated",
        ),
        ("m,output_text,1,2026-01-02,,,,a b", "service tier 'a b' is malformed"),
        ("m,output_text,1e400,2026-01-01,", "price is above $10,000 per million tokens"),
        (
            "m,output_text,1,0001-01-01T00:00:00+09:00,",
            "'0001-01-01T00:00:00+09:00' is no year from 1 to 9999 in UTC",
        ),
        (
            "m,output_text,1,2026-01-01,9999-12-31T23:00:00-09:00",
            "'9999-12-31T23:00:00-09:00' is no year from 1 to 9999 in UTC",
        ),
        ("a\0b,output_text,1,2026-01-01,", "model 'a\\x00b' is no name: unprintable, or over 300 characters"),
        (
            f"{'x' * 9000},output_text,1,2026-01-01,",
            f"model '{'x' * 20}' is no name: unprintable, or over 300 characters",
        ),
        ("m,output_text,1,000,2026-01-01,,,,,", "more cells than columns"),
    ],
)
def test_a_line_no_price_can_be_is_rejected_with_its_reason(tmp_path: Path, cells: str, reason: str) -> None:
    file = read(tmp_path, f"{HEADER},{cells}\n,m,output_text,1,2026-01-01,,,,\n")
    assert reasons(file) == [(2, reason)]
    assert len(file.rows) == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.csv", "", "no rows"),
        ("p.csv", HEADER, "no rows"),
        ("p.csv", "model,price\nm,1\n", "no column bucket"),
        (
            "p.csv",
            "model,bucket,usd_per_million,valid_from,colour\nm,output_text,1,2026-01-01,red\n",
            "colour",
        ),
        ("p.csv", f"{HEADER.strip()},usd_per_million\n", "column 'usd_per_million' stands twice"),
        (
            "p.yaml",
            "- {model: m, usd_per_million: 1, usd_per_million: 2}",
            "item 1: key usd_per_million stands",
        ),
        ("p.yaml", "- {model: [m]}", "item 1: model is no plain text"),
        ("p.yaml", "- {[m]: 1}", r"item 1: \? is no plain text"),
        ("p.yaml", "", "not a list of mappings"),
        ("p.yaml", "a: [", "p.yaml"),
        ("p.yaml", "a: 1", "not a list of mappings"),
        ("p.yaml", "- " * 5000 + "a", "nested too deeply"),
    ],
)
def test_what_is_no_price_file_fails_in_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(PriceFileError, match=message) as failed:
        read(tmp_path, text, name)
    assert "\n" not in str(failed.value)


GOOD_ITEM = "- {model: m, bucket: output_text, usd_per_million: 1, valid_from: 2026-01-01"


@pytest.mark.parametrize(
    ("key", "shown"),
    [("output_price_typo", "output_price_typo"), ("단가", "단가"), ('"a\\nb"', r"'a\nb'")],
)
def test_a_misspelt_key_of_a_later_item_is_refused_with_item_and_key(
    tmp_path: Path, key: str, shown: str
) -> None:
    text = f"{GOOD_ITEM}}}\n{GOOD_ITEM}, valid_to: 2026-02-01}}\n{GOOD_ITEM}, {key}: 3}}\n"
    with pytest.raises(PriceFileError) as failed:
        read(tmp_path, text, "prices.yml")
    assert str(failed.value) == f"{tmp_path / 'prices.yml'}: item 3: unknown key {shown}"


def test_a_misspelt_key_of_an_observed_price_is_refused_in_yaml_and_passed_over_in_public_tables(
    tmp_path: Path,
) -> None:
    item = "- {model: m, observed_from: 2026-01-01, input_cost_per_token: 0.000001"
    with pytest.raises(PriceFileError, match="item 2: unknown key output_cost_per_tokn"):
        read(tmp_path, f"{item}}}\n{item}, output_cost_per_tokn: 1}}\n", "prices.yaml")
    table = "model,observed_from,input_cost_per_token,max_tokens\nm,2026-01-01,0.000001,4096\n"
    assert {row.model for row in read(tmp_path, table).rows} == {"m"}


def test_bytes_that_are_no_text_and_a_missing_file_fail_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("p.csv", "absent.csv"):
        with pytest.raises(PriceFileError):
            read_price_file(tmp_path / name, recorded_at=NOW)


def test_observations_become_dated_rows_per_million(tmp_path: Path) -> None:
    text = WIDE + "gemini/m,2024-01-01,0.000001,0.000002,0.000002\ngemini/m,2024-02-01,0.000001,0.000003,\n"
    file = read(tmp_path, text)
    found = {
        (r.provider, r.model, r.bucket, r.usd_per_million, r.min_input_tokens, r.valid_to) for r in file.rows
    }
    change, end = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 2, tzinfo=UTC)
    assert found == {
        ("google", "m", "input_uncached", Decimal(1), 0, end),
        ("google", "m", "input_uncached", Decimal(1), 0, None),
        ("google", "m", "input_uncached", Decimal(2), 200_000, change),
        ("google", "m", "output_text", Decimal(2), 0, change),
        ("google", "m", "output_text", Decimal(3), 0, end),
        ("google", "m", "output_text", Decimal(3), 0, None),
    }
    assert {(row.valid_from, row.authority) for row in file.rows if row.valid_to is None} == {(end, 0)}
    assert {row.authority for row in file.rows if row.valid_to is not None} == {2}


def test_what_a_table_saw_last_is_overruled_by_the_library_after_its_end(tmp_path: Path) -> None:
    rows = read(tmp_path, WIDE + "gpt-4o,2025-01-01,0.000005,0.000015,\n").rows
    copied = snapshot_rows("openai", "gpt-4o", at=NOW)
    assert isinstance(copied, list)
    usage = {"prompt_tokens": 10**6, "completion_tokens": 0, "total_tokens": 10**6}

    def cost(at: datetime, *more: PriceRow) -> Decimal:
        book = PriceBook([*rows, *more])
        found = price(usage, provider="openai", model="gpt-4o", at=at, book=book)
        assert isinstance(found, Charge)
        return found.amount_usd

    seen, later = datetime(2025, 1, 1, 23, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC)
    assert (cost(seen, *copied), cost(later, *copied)) == (Decimal(5), Decimal("2.5"))
    assert (cost(seen), cost(later)) == (Decimal(5), Decimal(5))


def test_two_prices_of_one_thing_in_one_file_are_both_left_out(tmp_path: Path) -> None:
    said = [("a", 1), ("b", 1), ("a", 2), ("b", 1)]
    lines = "".join(f"{model},input_uncached,{usd},2026-01-01\n" for model, usd in said)
    file = read(tmp_path, f"model,bucket,usd_per_million,valid_from\n{lines}")
    assert [(row.model, row.usd_per_million) for row in file.rows] == [("b", Decimal(1))]
    assert [(reject.line, reject.model) for reject in file.rejects] == [(2, "a"), (4, "a")]
    assert "lines 2, 4" in file.rejects[0].reason


def test_a_day_that_was_seen_with_two_prices_was_not_seen(tmp_path: Path) -> None:
    text = WIDE + "m,2024-01-01,0.000001,,\nm,2024-02-01,0.000002,,\nm,2024-02-01,0.000003,,\n"
    file = read(tmp_path, text)
    assert {row.usd_per_million for row in file.rows} == {Decimal(1)}
    assert [line for line, _ in reasons(file)] == [3, 4]


def test_a_zero_in_a_public_table_is_unknown_and_not_free(tmp_path: Path) -> None:
    file = read(tmp_path, WIDE + "m,2024-01-01,0,0.000002,\n")
    assert reasons(file) == [(2, "input_cost_per_token: price is 0")]
    assert {row.bucket for row in file.rows} == {"output_text"}


@pytest.mark.parametrize(
    ("prices", "bad"),
    [
        ([1, 2, 1], {}),
        ([1, 49], {}),
        ([5, None, 5], {}),
        ([5, 0.05, 5], {1: "jump_reverts"}),
        ([5, 0.05, 0.06, 1], {1: "jump_reverts", 2: "jump_reverts"}),
        ([0.1, 100, 0.1], {1: "jump_reverts"}),
        ([5, 4, 0.005], {2: "jump_unconfirmed"}),
        ([210, 0.21], {0: "jump_unconfirmed", 1: "jump_unconfirmed"}),
    ],
)
def test_a_price_that_its_neighbours_contradict_is_implausible(
    prices: list[float | None], bad: dict[int, str]
) -> None:
    assert implausible([None if p is None else Decimal(str(p)) for p in prices]) == bad


def test_the_public_price_history_is_read_with_every_reject_counted(shared_data: Path) -> None:
    file = read_price_file(shared_data / "price_history.csv", recorded_at=NOW)
    assert Counter(row.authority for row in file.rows) == {2: 3490, 0: 3233}
    assert Counter(reject.reason.split(": ")[-1] for reject in file.rejects) == {
        "price is 0": 378,
        "jump_unconfirmed": 19,
        "jump_reverts": 7,
        "price is above $10,000 per million tokens": 2,
        "price is above $1,000 per million tokens, as no model's is": 2,
    }


@pytest.mark.parametrize(
    "line",
    [
        ",2026-01-01,0.1",
        "openai/,2026-01-01,0.1",
        "a\0b,2026-01-01,0.1",
        f"{'x' * 9000},2026-01-01,0.1",
        "m,0001-01-01T00:00:00+09:00,0.1",
        "m,2026-01-01,1e999995",
        "m,2026-01-01,sNaN",
        "m,2026-01-01,-1",
    ],
)
def test_an_absurd_observation_is_a_reject_and_the_others_count(tmp_path: Path, line: str) -> None:
    file = read(tmp_path, f"model,observed_from,input_cost_per_token\n{line}\nfine,2026-01-01,0.000001\n")
    assert [reject.line for reject in file.rejects] == [2]
    assert {row.model for row in file.rows} == {"fine"}


def test_a_price_of_2024_prices_a_call_of_2024(shared_data: Path) -> None:
    file = read_price_file(shared_data / "price_history.csv", recorded_at=NOW)
    book = PriceBook(file.rows)
    usage = {"prompt_tokens": 10**6, "completion_tokens": 0, "total_tokens": 10**6}

    def cost(model: str, at: str) -> Decimal | str:
        found = price(
            usage, provider="vertex", model=model, at=datetime.fromisoformat(at + "T00:00+00:00"), book=book
        )
        return found.amount_usd if isinstance(found, Charge) else found.reason

    # The table says 0.004688 for those days, a price per character.
    assert cost("gemini-1.5-flash", "2024-10-20") == Decimal("0.5")
    assert cost("gemini-1.5-flash", "2024-11-08") == Decimal("0.075")
    assert cost("gemini-1.5-flash", "2023-01-01") == "unpriced_date"
    assert isinstance(price(usage, provider="p", model="nobody", at=NOW, book=book), Unpriced)


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ("Default", "standard"),
        ("on_demand", "standard"),
        ("AUTO@00:30-16:30", "standard@00:30-16:30"),
        ("Flex", "flex"),
    ],
)
def test_a_tier_by_a_providers_name_is_ours(tmp_path: Path, said: str, tier: str) -> None:
    text = f"model,bucket,usd_per_million,valid_from,service_tier\nm,output_text,1,2026-01-01,{said}\n"
    assert [row.service_tier for row in read(tmp_path, text).rows] == [tier]
