import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingest.database.connect import connect
from orchestration.demo.models import MODELS, REGRESSED_MODEL

pytestmark = pytest.mark.xdist_group("demo")


def test_every_landed_call_reaches_the_marts(demo: Any) -> None:
    landed = demo.second["landed"]
    assert landed["n_marts"] == landed["n_imported"] + landed["n_through_proxy"]
    assert landed["n_dead_letters"] == 0
    assert landed["n_through_proxy"] > 0


def test_the_ledger_adds_up_for_every_check(demo: Any) -> None:
    assert len(demo.second["checks"]) == 12
    for check in demo.second["checks"]:
        assert check["n_eligible"] == check["n_scored"] + check["n_unscored"] + check["n_pending"]
        assert check["n_pending"] == 0


def test_each_habit_of_the_models_is_found_by_its_check(demo: Any) -> None:
    failed = {check["evaluator"] for check in demo.second["checks"] if check["n_failed"]}
    assert failed >= {
        *("refusal", "truncated", "invalid_json", "json_schema", "repetition_loop", "language_mismatch"),
        *("secret_leak", "pii", "empty_answer", "prompt_echo", "slow", "error"),
    }


def test_the_regression_shows_in_the_marts_on_its_days_only(demo: Any) -> None:
    assert demo.second["regressed_model"] == REGRESSED_MODEL
    days = sorted(demo.second["regression"], key=lambda line: line["day"])
    rates = [Decimal(line["fail_rate"]) for line in days]
    worst = sorted(rates, reverse=True)
    assert worst[1] > Decimal("0.25") > 2 * worst[2]
    assert [line["verdict"] for line in days if Decimal(line["fail_rate"]) > Decimal("0.25")] == ["worse"] * 2


def test_the_alert_fires_for_the_regression_is_sent_and_resolves(demo: Any) -> None:
    alerts = [line for line in demo.second["alerts"] if REGRESSED_MODEL in line["group_key"]]
    assert [line["transition"] for line in reversed(alerts)] == ["firing", "resolved"]
    assert all(line["sent"] for line in alerts)


def test_a_judge_grades_a_sample_once(demo: Any) -> None:
    lines = sorted(demo.second["judged"], key=lambda line: line["day"])
    assert [line["model"] for line in lines] == [REGRESSED_MODEL] * 2
    for line in lines:
        assert line["mean_score_low"] < line["mean_score"] < line["mean_score_high"]
        assert 0 < line["coverage"] < 0.2
        assert line["calibration_state"] == "uncalibrated"
    assert 20 < demo.first["landed"]["n_of_judges"] <= 60
    assert demo.second["landed"]["n_of_judges"] == demo.first["landed"]["n_of_judges"], "nothing twice"


def test_a_prompt_pattern_shows_what_failed(demo: Any) -> None:
    pattern = demo.second["pattern"]
    assert pattern["template"] == "extract"
    assert pattern["fail_rate_low"] > pattern["rest_fail_rate"]


def test_a_model_without_a_price_is_unpriced_and_not_free(demo: Any) -> None:
    models = {line["model"]: line for line in demo.second["models"]}
    assert set(models) == {model.name for model in MODELS}
    assert models["dew-preview"]["amount_usd"] is None
    assert models["dew-preview"]["n_unpriced"] == models["dew-preview"]["n_calls"]
    assert Decimal(models["aurora-large"]["amount_usd"]) > 0


def test_money_is_charged_moved_and_held_against_an_invoice(demo: Any) -> None:
    money, invoice = demo.second["money"], demo.second["invoice"]
    assert Decimal(money["amount_usd"]) > Decimal(money["cache_saved_usd"]) > 0
    assert demo.second["mover"]["name"] in {model.name for model in MODELS}
    # Planted: calls that went past the proxy, a forgotten discount, a credit, a model without a price.
    assert invoice["verdict"] == "EXPLAINED"
    assert set(invoice["causes"]) >= {"calls not seen", "cache", "fees and credits", "unpriced"}
    assert abs(Decimal(invoice["unexplained_usd"])) < Decimal("0.01")
    assert "invoice is explained" in demo.page


def test_a_second_run_lands_and_fires_only_what_is_new(demo: Any) -> None:
    first, second = demo.first, demo.second
    live = second["landed"]["n_through_proxy"] - first["landed"]["n_through_proxy"]
    assert live == first["landed"]["n_through_proxy"]
    assert len(second["alerts"]) == len(first["alerts"])
    assert second["regression"][-2:] == first["regression"][-2:]


def test_the_page_tells_a_person_the_same(demo: Any) -> None:
    for words in (
        REGRESSED_MODEL,
        "worse",
        "resolved",
        "unpriced is not free",
        "A simulated judge of",
        "The prompt that failed most",
        "What to open next",
        "make up",
    ):
        assert words in demo.page


def test_the_drift_report_is_one_html_file(demo: Any) -> None:
    report = Path(demo.second["drift_report"])
    assert report.stat().st_size > 100_000
    assert report.read_text(errors="replace").lstrip().startswith("<")


def test_charges_add_up_to_the_daily_cost_exactly(demo: Any) -> None:
    with connect(demo.url) as connection:
        charged, daily = connection.execute(
            "select (select sum(amount_usd) from cost.charges), "
            "(select sum(amount_usd) from marts.cost_daily)"
        ).fetchone()
    assert charged == daily > 0


def test_nothing_of_the_demo_is_left_running(demo: Any) -> None:
    home = str(demo.settings.home)
    mine = {os.getpid(), os.getppid()}
    left = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in mine:
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environment = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"LQO_HOME={home}" in environment and "orchestration" in command:
                left.append(command)
    assert not left
