import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.masking import KINDS, Clock, Masker, MaskingError, PatternError, compile_patterns
from evaluators.rules.checksums import is_luhn
from evaluators.rules.pii import find_pii
from tests.evaluators import rules_data as real
from tests.evaluators.masking_data import judged_masks

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
PLAIN = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


def mask(text: str, *, kinds: frozenset[str] = KINDS, **patterns: str) -> str:
    return Masker(kinds, compile_patterns(patterns)).mask(text, clock=Clock(10))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("메일은 kim.hong@naver.com으로", "메일은 [email]으로"),
        ("홍길동@예시.한국 님", "[email] 님"),
        ("kim＠naver．com", "[email]"),
        ("a%40b.co.kr&#64;", "[email]@"),
        ("전화는 010-1234-5678이고", "전화는 [phone]이고"),
        ("０１０－１２３４－５６７８ 입니다", "[phone] 입니다"),
        ("02-123-4567 02-987-6543", "[phone] [phone]"),
        ("+82 10 1234 5678 010 9999 8888", "[phone] [phone]"),
        ("(212) 736-5000 x12, 01 84 17 61 18", "[phone], [phone]"),
        ("카드4111111111111111번", "카드[card]번"),
        ("5 4111 1111-1111 1111 12", "5 [card] 12"),
        ("4111\n1111\n1111\n1111", "[card]"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[card]"),
        ("4111\u200b1111\u200b1111\u200b1111", "[card]"),
        (r"\u0034111 1111 1111 1111 \\u0061\u0040b.kr", "[card] [email]"),
        ("٤١١١ ١١١١ ١١١١ ١١١١", "[card]"),
        ("주민번호 900101-1234568", "주민번호 [resident]"),
        ("9001011234568은", "[resident]은"),
        ("211231-3456789 (2020년 10월 뒤)", "[resident] (2020년 10월 뒤)"),
        ("GB82 WEST 1234 5698 7654 32 und no12 de89370400440532013000", "[iban] und no12 [iban]"),
    ],
)
def test_what_is_masked_and_what_is_left_around_it(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "claude-3-5-sonnet-20241022, gpt-4o-2024-08-06 and claude-sonnet-4@20250514",
        "lodash@4.17.21, @types/node, user@host",
        "0.123456789, 1,234,567.89, 1856-1860, 192.168.0.1, 12:30:45",
        "2026-11-22T12:32:48.123456Z 1710123456789 1700000000",
        "019ab8f2-7c1e-7abc-8def-0123456789ab",
        "이 문장에는 아무것도 없습니다 👩‍👩‍👧 می‌خواهم",
        "",
    ],
)
def test_what_belongs_to_nobody_stays(text: str) -> None:
    assert mask(text) == text


def test_only_the_kinds_asked_for_are_masked() -> None:
    text = "kim@naver.com 010-1234-5678"
    assert mask(text, kinds=frozenset({"phone"})) == "kim@naver.com [phone]"


@given(PLAIN, st.from_regex(r"[a-z0-9][a-z0-9._+-]{0,20}@[a-z0-9]{1,10}\.[a-z]{2,6}", fullmatch=True), PLAIN)
def test_no_address_survives_in_any_text(before: str, address: str, after: str) -> None:
    assert address not in mask(f"{before}{address} {after}")


@given(st.text("가나 ,.:;\n", max_size=30), st.data())
def test_no_card_survives_however_it_is_written(around: str, data: st.DataObject) -> None:
    body = data.draw(st.from_regex(r"[45][0-9]{14}", fullmatch=True))
    number = next(body + check for check in "0123456789" if is_luhn(body + check))
    signs = data.draw(
        st.lists(st.sampled_from(["", " ", "-", ".", "\u2011", "\u200b"]), min_size=15, max_size=15)
    )
    written = "".join(digit + sign for digit, sign in zip(number, [*signs, ""], strict=True))
    masked = mask(f"{around}{written}{around}")
    assert "".join(sign for sign in masked if sign.isdigit()) == ""


@given(st.text("가나 ,:;\n", max_size=30), st.data())
def test_no_korean_mobile_number_survives(around: str, data: st.DataObject) -> None:
    head = data.draw(st.sampled_from(["010", "+82 10", "+82-10", "(+82)10", "011", "0082 10"]))
    tail = data.draw(st.from_regex(r"[-. ]?[2-9][0-9]{3}[-. ]?[0-9]{4}", fullmatch=True))
    masked = mask(f"{around}{head}{tail}{around}")
    assert "".join(sign for sign in masked if sign.isdigit()) == ""


@given(st.text(max_size=200))
def test_a_mask_is_the_same_when_masked_again(text: str) -> None:
    assert mask(mask(text)) == mask(text)


def test_a_number_over_the_edge_of_a_window_is_masked() -> None:
    for shift in range(-20, 20):
        before = "가" * ((16 << 10) + shift)
        assert (
            mask(f"{before} 4111 1111 1111 1111 kim@naver.com {before}")
            == f"{before} [card] [email] {before}"
        )


@pytest.mark.parametrize("unit", ["1 ", "0 1 ", "4111 ", "a@", "GB12", "+", "[", "\\u0034"])
def test_hostile_text_is_given_up_in_time(unit: str) -> None:
    began = time.thread_time()
    try:
        Masker().mask(unit * (4_000_000 // len(unit)), clock=Clock(0.3))
    except MaskingError as error:
        assert unit not in str(error)
    assert time.thread_time() - began < 10


def test_configured_patterns_are_masked_by_name() -> None:
    text = "사번 12345, emp-77, EMP-\u200b78"
    assert mask(text, 사번=r"사번 ?\d+", employee=r"(?i)emp-\d+") == "[사번], [employee], [employee]"
    assert mask("\ud800 emp-7", employee=r"emp-\d") == "\ud800 [employee]"


def test_a_catastrophic_pattern_takes_linear_time() -> None:
    began = time.thread_time()
    assert mask("a" * 200_000 + "b", evil=r"(a+)+$") == "a" * 200_000 + "b"
    assert time.thread_time() - began < 10


@pytest.mark.parametrize(
    ("name", "pattern", "said"),
    [
        ("x", r"(?<=a)b", "not RE2"),
        ("x", r"(a)\1", "not RE2"),
        ("x", r"a*", "matches nothing"),
        ("x", "", "1-1000 characters"),
        ("x", "a" * 1001, "1-1000 characters"),
        ("x", r"\pL{1,30}", "too large"),
        ("x", "\ud800", "not RE2"),
        ("a b", "a", "no name"),
        ("email", "a", "no name"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_in_one_line(
    name: str, pattern: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PatternError, match=said) as error:
        compile_patterns({name: pattern})
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


def test_whatever_the_rule_finds_is_masked_in_real_answers() -> None:
    if not DATA.is_dir():
        pytest.skip(f"the real data are not at {DATA}")
    answers = real.ifeval_answers(DATA)[::4] + real.mtbench_answers(DATA)[::4]
    found = [answer.text for answer in answers if answer.text and list(find_pii(answer.text))]
    assert found
    assert [text for text in found if list(find_pii(mask(text)))] == []


def test_no_models_name_looks_like_personal_data() -> None:
    if not DATA.is_dir():
        pytest.skip(f"the real data are not at {DATA}")
    with (DATA / "price_history.csv").open(encoding="utf-8") as lines:
        names = {line.split(",")[0] for line in lines}
    assert len(names) > 1000
    assert [name for name in names if mask(name) != name] == []


def test_labelled_personal_data_are_masked() -> None:
    if not DATA.is_dir():
        pytest.skip(f"the labelled data are not at {DATA}")
    tallies = judged_masks(DATA / "pii_synth_v2.json")
    assert {kind: tally.recall for kind, tally in tallies.items() if tally.hits} == {
        "email": 1.0,
        "iban": 1.0,
        "phone": 1.0,
        "card": pytest.approx(0.993, abs=0.001),
    }
    assert min(tally.precision for tally in tallies.values() if tally.hits) >= 0.95
