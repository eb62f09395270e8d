"""The report says what the marts hold, with n, interval and version, whatever names stand in them."""

import re
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.weekly import ReportError, make_report, queue_report
from reports.weekly.figures import Figures
from reports.weekly.headlines import headlines
from reports.weekly.mail import weekly_mail
from reports.weekly.page import render
from reports.weekly.reading import read_figures
from reports.weekly.week import Week, parse_week
from tests.orchestration.weekly.conftest import MONDAY, NOW, WEEK, Marts
from tests.orchestration.weekly.reading_html import Page, read_page

DAY = timedelta(days=1)


def figures_of(marts: Marts, week: Week = WEEK) -> Figures:
    return read_figures(marts.connection, week, now=NOW)


def page_of(marts: Marts) -> Page:
    page = read_page(render(figures_of(marts)))
    assert page.crossed == []
    return page


def said(figures: Figures) -> str:
    return "\n".join(f"{one.tone}: {one.text}" for one in headlines(figures))


def test_the_week_is_told_with_n_interval_and_version(marts: Marts) -> None:
    for n in range(7):
        marts.day(MONDAY + n * DAY, n=200, failed=20, rule_set=4, usd="1.25", ms=2000)
        marts.day(MONDAY - 7 * DAY + n * DAY, n=100, failed=2, rule_set=4, usd="1.00")
    marts.coverage(MONDAY, n_eligible=200, n_scored=150, n_failed=20, n_unscored=50, version="1.2.0")
    figures = figures_of(marts)

    assert (figures.traffic.n_calls, figures.traffic_before.n_calls) == (1400, 700)
    assert (figures.failing.n_hits, figures.failing.n, figures.failing.versions) == (140, 1400, ("4",))
    assert str(figures.cost.amount_usd) == "8.75"
    assert figures.latency.p50_ms == pytest.approx(2000, rel=0.011)
    assert figures.latency_before.p50_ms == pytest.approx(1000, rel=0.011)
    [evaluator] = figures.evaluators
    assert (evaluator.version, evaluator.coverage.n_hits, evaluator.coverage.n) == ("1.2.0", 150, 200)

    text = page_of(marts).text
    assert "10.0 %" in text and "8.5–11.7 %, n 1,400, rule set 4" in text
    assert "up from 2.0 % (n 700), by +8.0 points" in said(figures)
    assert "price version 7" in text
    assert "75.0 %" in text and "150 of 200" in text


def test_models_are_compared_by_the_mart(marts: Marts) -> None:
    for n in range(3):
        marts.day(MONDAY + n * DAY, model="bad", n=100, failed=40)
        marts.day(MONDAY + n * DAY, model="good", n=100, failed=2)
    figures = figures_of(marts)
    assert {one.model: one.fairest.verdict for one in figures.comparisons} == {
        "bad": "worse",
        "good": "better",
    }
    assert "bad: Shown worse than the other models: bad (by the rules, equal traffic)" in said(figures)


def test_other_rules_are_not_compared_with_the_week_before(marts: Marts) -> None:
    marts.day(MONDAY, n=100, failed=50, rule_set=5)
    marts.day(MONDAY - DAY, n=100, failed=1, rule_set=4)
    told = said(figures_of(marts))
    assert "not compared with the week before, which rule set 4 judged" in told
    assert "bad: Failing" not in told


def test_an_empty_week_is_told_as_one(marts: Marts) -> None:
    marts.day(MONDAY - DAY, n=50)
    figures = figures_of(marts)
    assert "No call of the product in this week; the week before had 50." in said(figures)
    assert page_of(marts).text
    assert weekly_mail(figures).subject == "LLM quality 2026-W46: no calls"


def test_a_warehouse_without_a_call_gives_a_page(marts: Marts) -> None:
    page = page_of(marts)
    assert "No alert fired." in page.text
    assert not page.all("svg")


def test_one_call_is_too_little_to_judge_a_model_by(marts: Marts) -> None:
    marts.day(MONDAY, n=1, failed=1)
    marts.day(MONDAY, model="other", n=1)
    figures = figures_of(marts)
    assert {one.fairest.verdict for one in figures.comparisons} == {"not enough data"}
    assert "2 calls." in said(figures) and "Shown" not in said(figures)
    assert "not enough data" in page_of(marts).text


def test_calls_without_a_verdict_are_unknown_and_not_good(marts: Marts) -> None:
    marts.day(MONDAY, n=40, scored=0, usd=None)
    marts.coverage(MONDAY, n_eligible=40, n_pending=40)
    told = said(figures_of(marts))
    assert "bad: No call of the week has a verdict" in told
    assert "Cost: unknown, none of 40 calls has a price." in told
    assert "40 verdicts of rules are still pending." in told
    assert "nothing scored" in page_of(marts).text


HOSTILE = (
    '<script>alert(1)</script><img src=x onerror="alert(1)">',
    "'\"><svg onload=alert(1)>&amp;</title></style>",
    "모델 🙂👨‍👩‍👧 بالعربية \u202etxt.exe\u2066",
    "line\nbreak\ttab\x01\x7f",
    "x" * 5000,
)


def test_no_name_gets_out_of_its_cell(marts: Marts) -> None:
    for n, name in enumerate(HOSTILE):
        marts.day(MONDAY + n * DAY, model=name, n=100, failed=10 * n, prompt=name, project=name)
        marts.coverage(MONDAY, name, version=name, n_eligible=9, n_unscored=9, unscored_by_reason={name: 9})
        marts.put(
            "quality_daily",
            day=MONDAY + n * DAY,
            model=name,
            project="p",
            evaluator=name,
            evaluator_version=name,
            kind="judge",
            n_eligible=9,
            n_scored=9,
            n_unscored=0,
            n_sampled_out=0,
            n_pending=0,
            n_clusters=9,
            **dict(
                zip(("sum_w", "sum_wy", "sum_ww", "sum_wwy", "sum_wywy"), (9, 36, 9, 36, 150), strict=True)
            ),
        )
        add_event(marts, group=name, rule=name, message=name, at_hours=n)
        add_finding(marts, n, column=name)
    figures = figures_of(marts)
    html = render(figures)
    page = read_page(html)

    assert page.crossed == []
    assert not page.all("script") and not page.all("img") and not page.all("iframe")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "\u202e" not in html and "\x01" not in html
    assert "모델 🙂👨‍👩‍👧" in page.text
    mail = weekly_mail(figures)
    assert "<script" not in mail.html and read_page(mail.html).crossed == []
    assert "\u202e" not in mail.text and "\n" not in mail.subject
    assert max(map(len, mail.text.splitlines())) < 2000


def test_the_page_asks_the_network_for_nothing(marts: Marts) -> None:
    marts.day(MONDAY, model="https://evil.example/a.js")
    html = render(figures_of(marts))
    page = read_page(html)
    [policy] = [one["content"] for one in page.all("meta") if one.get("http-equiv")]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    links = [v for _, a in page.elements for name, v in a.items() if name in ("src", "href", "xlink:href")]
    assert all(link and link.startswith(("#", "data:")) for link in links)
    assert "url(" not in html and "@import" not in html


def test_every_chart_says_in_words_what_it_shows(marts: Marts) -> None:
    for n in range(7):
        marts.day(MONDAY + n * DAY, n=100, failed=n)
    page = page_of(marts)
    charts = [one for one in page.all("svg") if one.get("role") == "img"]
    ids = [one["id"] for _, one in page.elements if "id" in one]
    assert len(charts) == 4
    assert len(ids) == len(set(ids))
    for chart in charts:
        names = str(chart["aria-labelledby"]).split()
        assert len(names) == 2 and set(names) <= set(ids)
    hidden = [one for one in page.all("svg") if one.get("role") != "img"]
    assert all(one.get("aria-hidden") == "true" for one in hidden)
    assert "failing: 0.0 % on Mon 9 Nov, 6.0 % on Sun 15 Nov" in page.text
    assert len(page.all("details")) == 4


def test_a_day_without_calls_is_a_gap_and_not_zero(marts: Marts) -> None:
    for n in (0, 1, 4, 5):
        marts.day(MONDAY + n * DAY, n=100, failed=10)
    html = render(figures_of(marts))
    chart = html[html.index('aria-labelledby="quality-t') :]
    chart = chart[: chart.index("</svg>")]
    assert len(re.findall(r'<polyline class="s-c0', chart)) == 2
    assert "2 days between have no figure" in chart


def test_the_same_figures_in_any_time_zone(marts: Marts) -> None:
    marts.day(MONDAY, n=10)
    add_event(marts, group="m", rule="r", message="x", at_hours=1)
    utc = render(figures_of(marts))
    marts.connection.execute("set timezone to 'America/New_York'")
    assert render(figures_of(marts)) == utc


def test_a_thousand_models_are_counted_and_not_all_listed(marts: Marts) -> None:
    for n in range(40):
        marts.day(MONDAY, model=f"model {n}", n=100 + n)
    figures = figures_of(marts)
    assert len(figures.models) == 12
    assert "calls of other models are not listed" in page_of(marts).text
    assert len({one.model for one in figures.cost_days}) == 7


def test_an_incident_that_goes_on_and_one_that_ended(marts: Marts) -> None:
    add_event(marts, group="old", rule="r", message="fired before", at_hours=-30)
    add_event(marts, group="old", rule="r", message="ended", at_hours=5, transition="resolved")
    add_event(marts, group="open", rule="r", message="goes on", at_hours=50)
    add_event(marts, group="past", rule="r", message="over", at_hours=-300)
    add_event(marts, group="past", rule="r", message="ended", at_hours=-290, transition="resolved")
    figures = figures_of(marts)
    assert [(one.group, one.ended_at is None) for one in figures.incidents] == [
        ("old", False),
        ("open", True),
    ]
    assert "2 incidents (old, open), 1 of them still going on." in said(figures)


def test_more_incidents_than_are_listed_are_counted(marts: Marts) -> None:
    add_event(marts, group="open since long", rule="r", message="goes on", at_hours=-400)
    for n in range(60):
        add_event(marts, group=f"g{n}", rule="r", message="began", at_hours=n)
        add_event(marts, group=f"g{n}", rule="r", message="ended", at_hours=n + 1, transition="resolved")
    figures = figures_of(marts)
    assert (figures.n_incidents, figures.n_incidents_open, len(figures.incidents)) == (61, 1, 40)
    assert figures.incidents[0].group == "open since long"
    assert "61 incidents" in said(figures) and "1 of them still going on" in said(figures)
    text = page_of(marts).text
    assert "21 more are not listed" in text
    assert "incidents 61 alerts that fired" in text
    assert "- and 21 more" in weekly_mail(figures).text


def test_a_comparison_of_a_part_of_the_week_says_so(marts: Marts) -> None:
    marts.day(MONDAY, n=100)
    assert "speaks for" not in page_of(marts).text
    marts.day(MONDAY + DAY, n=60)
    marts.connection.execute("delete from marts.traffic_mix where day > %s", (MONDAY,))
    assert "speaks for 100 of 160 scored calls" in page_of(marts).text


def test_an_hour_that_waits_in_several_stages_is_one_hour(marts: Marts) -> None:
    marts.connection.execute(
        "insert into raw.dirty_hours (hour, stage) select %s, unnest(array['calls', 'scores', 'charges'])",
        (WEEK.start,),
    )
    try:
        assert figures_of(marts).freshness.n_hours_waiting == 1
    finally:
        marts.connection.execute("delete from raw.dirty_hours where hour = %s", (WEEK.start,))


def test_a_prompt_names_the_rule_sets_that_judged_it_alone(marts: Marts) -> None:
    marts.day(MONDAY, n=50, failed=5, rule_set=3, prompt="greet")
    marts.put(
        "quality_by_prompt",
        day=MONDAY,
        project="(none)",
        prompt_name="greet",
        prompt_version="1",
        model="m",
        evaluator="rules",
        evaluator_version="(none)",
        n_calls=9,
        n_scored=0,
        n_failed=0,
    )
    [prompt] = figures_of(marts).prompts
    assert (prompt.n_calls, prompt.failing.versions) == (59, ("3",))


def grades(marts: Marts, evaluator: str, *, kind: str, means: dict[str, float], at: date = MONDAY) -> None:
    """A day on which every model has 100 scores around its mean, by content of its own."""
    marts.coverage(at, evaluator, kind=kind, n_eligible=100 * len(means), n_scored=100 * len(means))
    for model, mean in means.items():
        squares = 100 * (mean**2 + 0.04)
        sums = {"sum_w": 100, "sum_wy": 100 * mean, "sum_ww": 100, "sum_wwy": 100 * mean, "sum_wywy": squares}
        keys = {
            "day": at,
            "model": model,
            "project": "p",
            "evaluator": evaluator,
            "evaluator_version": "1.0.0",
        }
        counts = {"n_scored": 100, "n_clusters": 100}
        ledger = {"n_eligible": 100, "n_unscored": 0, "n_sampled_out": 0, "n_pending": 0, "kind": kind}
        marts.put("quality_daily", **keys, **counts, **sums, **ledger)
        mix = {"prompt_class": "open", "language": "en", "length_band": "short"}
        marts.put("judge_mix_daily", **keys, **counts, **sums, **mix)


def test_a_judge_that_nobody_s_labels_bear_out_makes_no_headline(marts: Marts) -> None:
    for model in ("one", "two"):
        marts.day(MONDAY, model=model, n=100)
    grades(marts, "helpfulness", kind="judge", means={"one": 2.0, "two": 4.0})
    figures = figures_of(marts)
    by_judge = {one.model: one.verdict for one in figures.comparisons if one.evaluator == "helpfulness"}
    assert by_judge == {"one": "worse", "two": "better"}
    assert "Shown" not in said(figures)
    assert "Nobody’s labels bear this evaluator out" in page_of(marts).text


def test_a_score_that_came_with_an_import_has_a_scale_of_its_own(marts: Marts) -> None:
    for model in ("one", "two"):
        marts.day(MONDAY, model=model, n=100)
    grades(marts, "langfuse.toxicity", kind="external", means={"one": 12.5, "two": 80.0})
    figures = figures_of(marts)
    found = {one.model: one.verdict for one in figures.comparisons if one.kind == "external"}
    assert found == {"one": "lower", "two": "higher"}
    assert "toxicity" not in said(figures)
    text = page_of(marts).text
    assert "Imported score langfuse.toxicity" in text
    assert "1 to 5" not in text
    assert "Mean of the imported score langfuse.toxicity" in text


def test_hundreds_of_imported_scores_leave_a_page_that_can_be_read(marts: Marts) -> None:
    for model in ("one", "two"):
        marts.day(MONDAY, model=model, n=100)
    for n in range(70):
        grades(marts, f"langfuse.score-{n:03}", kind="external", means={"one": 1.0, "two": 2.0})
    text = page_of(marts).text
    assert "63 more versions of evaluators compare models, too." in text
    assert "10 more versions of evaluators are not listed." in text


def test_drift_that_lasts_is_told(marts: Marts) -> None:
    for n in range(3):
        add_finding(marts, n, column="latency_ms", is_drift=True)
        add_finding(marts, n, column="status", is_drift=n == 1)
    marts.day(MONDAY)
    figures = figures_of(marts)
    assert "Drift of two days or more in a row: latency_ms." in said(figures)


def test_a_report_is_queued_once_a_channel(marts: Marts, tmp_path: Path) -> None:
    marts.day(MONDAY)
    figures, path = make_report(marts.connection, WEEK, out=tmp_path, now=NOW)
    assert path.name == "weekly-2026-W46.html"
    assert queue_report(marts.connection, figures, channels=["slack"]) == ["slack"]
    assert queue_report(marts.connection, figures, channels=["slack", "email"]) == ["email"]
    assert queue_report(marts.connection, figures, channels=["slack", "email"]) == []
    rows = marts.connection.execute(
        "select channel, transition, payload from alerting.outbox inner join alerting.events using (event_id)"
        " order by 1"
    ).fetchall()
    assert [(channel, transition) for channel, transition, _ in rows] == [
        ("email", "report"),
        ("slack", "report"),
    ]
    mail, slack = rows[0][2], rows[1][2]
    assert mail["attachment"]["content"] == path.read_text()
    assert "9 to 15 November 2026" in slack["blocks"][0]["text"]["text"]
    assert len(slack["blocks"][1]["text"]["text"]) <= 3000


def test_a_week_that_is_not_over_is_not_sent(marts: Marts, tmp_path: Path) -> None:
    figures, _ = make_report(marts.connection, WEEK, out=tmp_path, now=WEEK.end - timedelta(seconds=1))
    assert "The week is not over" in said(figures)
    with pytest.raises(ReportError, match="not over"):
        queue_report(marts.connection, figures, channels=["slack"])


def test_without_marts_the_error_says_what_to_run(
    connection: psycopg.Connection[TupleRow], tmp_path: Path
) -> None:
    with pytest.raises(ReportError, match="lqo backfill marts"):
        make_report(connection, WEEK, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_week_53_and_a_far_future_are_only_weeks(marts: Marts) -> None:
    for text in ("2026-W53", "1970-W02", "9998-W52"):
        assert read_page(render(figures_of(marts, parse_week(text)))).crossed == []


def add_event(
    marts: Marts, *, group: str, rule: str, message: str, at_hours: int, transition: str = "firing"
) -> None:
    marts.connection.execute(
        "insert into alerting.events (event_id, rule, group_key, transition, severity, message, happened_at)"
        " values (gen_random_uuid(), %s, %s, %s, 'critical', %s, %s)",
        (rule, group, transition, message, WEEK.start + timedelta(hours=at_hours)),
    )


def add_finding(marts: Marts, n: int, *, column: str, is_drift: bool = True) -> None:
    marts.connection.execute(
        "insert into evaluation.drift_findings (day, column_name, kind, method, value, threshold, is_drift,"
        " n_current, n_reference, reference_from, evidently_version)"
        " values (%s, %s, 'number', %s, 0.01, 0.05, %s, 100, 700, %s, '0.7')",
        (MONDAY + n * DAY, column, column, is_drift, MONDAY - 7 * DAY),
    )
