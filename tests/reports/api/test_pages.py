"""What each path says of odd rows, page by page, by offset and by cursor."""

import gzip
from typing import Any

import pytest

from tests.reports.api.conftest import Client
from tests.reports.api.rows import BITING, N_CALLS, call_id

SPAN = {"start": "2026-11-01", "end": "2026-11-30"}
LISTS = [
    ("/analytics/trends", {}),
    ("/analytics/trends", {"by": "project", "grain": "week", "sort": "-period"}),
    ("/analytics/costs", {}),
    ("/analytics/costs", {"by": ["model", "project"], "sort": "-amount_usd"}),
    ("/analytics/users", {}),
    ("/analytics/users", {"sort": "fail_rate"}),
    ("/analytics/users", {"sort": "-mean_score", "grain": "day"}),
    ("/analytics/prompts", {"sort": "amount_usd", "by": "model"}),
    ("/alerts", {"which": "all"}),
    ("/alerts/history", {}),
    ("/calls", {}),
    ("/calls", {"sort": "started_at"}),
    ("/calls", {"failed": "true"}),
    ("/calls", {"failed_rule": "refusal", "sort": "started_at"}),
]


def ask(client: Client, path: str, **params: Any) -> dict[str, Any]:
    span = {} if path.endswith("/alerts") else SPAN
    answer = client.get(path, params={**span, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def walk(client: Client, path: str, *, limit: int, **params: Any) -> list[dict[str, Any]]:
    """All rows, by cursors."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = ask(client, path, limit=limit, **params, **cursor)
        assert len(page["items"]) <= limit
        assert len(found) < 100, "the pages have no end"
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize(("path", "params"), LISTS)
def test_pages_by_cursor_are_the_whole_and_nothing_twice(
    client: Client, path: str, params: dict[str, Any]
) -> None:
    by_cursor = walk(client, path, limit=1, **params)
    assert by_cursor
    assert by_cursor == walk(client, path, limit=1000, **params)
    assert len({str(row) for row in by_cursor}) == len(by_cursor)


@pytest.mark.parametrize(("path", "params"), [(path, params) for path, params in LISTS if path != "/calls"])
def test_pages_by_offset_are_the_same(client: Client, path: str, params: dict[str, Any]) -> None:
    whole = ask(client, path, **params)["items"]
    by_offset = [
        row
        for offset in range(len(whole))
        for row in ask(client, path, limit=1, offset=offset, **params)["items"]
    ]
    assert by_offset == whole


@pytest.mark.parametrize("path", sorted({path for path, _ in LISTS}))
def test_an_offset_past_the_end_is_an_empty_last_page(client: Client, path: str) -> None:
    page = ask(client, path, offset=99_999)
    assert (page["items"], page["next_cursor"], page["offset"]) == ([], None, 99_999)


@pytest.mark.parametrize("path", sorted({path for path, _ in LISTS}))
def test_the_versioned_path_says_the_same(client: Client, path: str) -> None:
    assert ask(client, path) == ask(client, f"/v1{path}")


def test_hours_in_which_nothing_was_scored_have_no_figure(client: Client) -> None:
    for grain in ("hour", "day", "month"):
        (point,) = ask(client, "/analytics/trends", grain=grain, kind="judge", project="p")["items"]
        assert (point["n_eligible"], point["n_scored"], point["n_unscored"]) == (3, 0, 3)
        assert point["coverage"] == 0
        assert point["mean_score"] is None
        assert point["mean_score_low"] is None
        assert point["pass_rate"] is None


def test_a_judges_days_add_up_by_their_sums(client: Client) -> None:
    (point,) = ask(client, "/analytics/trends", kind="judge", evaluator_version="7")["items"]
    assert point["mean_score"] == pytest.approx(3.5)
    assert point["mean_score_low"] < 3.5 < point["mean_score_high"]
    assert (point["n_scored"], point["n_eligible"]) == (4, 7)


def test_rates_are_of_what_was_scored_and_lie_in_their_interval(client: Client) -> None:
    points = ask(client, "/analytics/trends", grain="month", model="a")["items"]
    (rule,) = [point for point in points if point["kind"] == "rule"]
    assert (rule["n_eligible"], rule["n_scored"], rule["n_failed"]) == (400, 320, 32)
    assert rule["pass_rate"] == pytest.approx(0.9)
    assert rule["pass_rate_low"] < 0.9 < rule["pass_rate_high"]
    assert rule["coverage"] == pytest.approx(0.8)
    assert rule["evaluator_version"] == "1.0.0"


def test_an_unpriced_model_costs_null_and_a_trillionth_of_a_dollar_is_exact(client: Client) -> None:
    rows = {row["model"]: row for row in ask(client, "/analytics/costs", grain="month")["items"]}
    assert rows["b"]["amount_usd"] is None
    assert (rows["b"]["n_priced"], rows["b"]["n_unpriced"]) == (0, 10)
    assert rows["a"]["amount_usd"] == "0.000000000001"
    assert rows[BITING]["amount_usd"] == "12.5"


def test_a_user_of_one_unscored_call_has_no_fail_rate(client: Client) -> None:
    rows = {row["user_id"]: row for row in ask(client, "/analytics/users")["items"]}
    assert (rows["one-call"]["n_calls"], rows["one-call"]["fail_rate"]) == (1, None)
    assert (rows["busy"]["n_calls"], rows["busy"]["n_failed"]) == (80, 8)
    assert rows["busy"]["fail_rate_low"] < 0.1 < rows["busy"]["fail_rate_high"]
    assert next(iter(rows)) == "busy"


def test_a_comparison_says_how_far_its_evaluator_is_borne_out(client: Client) -> None:
    rows = ask(client, "/analytics/compare-models")["items"]
    assert {(row["evaluator"], row["kind"], row["calibration_state"]) for row in rows} == {
        ("helpfulness", "judge", "ok"),
        ("langfuse.toxicity", "external", "uncalibrated"),
        ("rules", "rule", None),
    }
    assert [row["model"] for row in rows] == ["a", "b"] * 3


def test_versions_of_a_prompt_stand_apart(client: Client) -> None:
    rows = ask(client, "/analytics/prompts", prompt="greeting")["items"]
    assert sorted(row["prompt_version"] for row in rows) == ["v0", "v1"]
    assert len(ask(client, "/analytics/prompts", prompt="greeting", prompt_version="v1")["items"]) == 1


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/analytics/trends", {"model": "none-such"}),
        ("/analytics/costs", {"provider": "none-such"}),
        ("/analytics/compare-models", {"model": "none-such"}),
        ("/analytics/users", {"user": BITING + "x"}),
        ("/calls", {"model": "none-such"}),
        ("/alerts/history", {"group": "none-such"}),
    ],
)
def test_what_nobody_has_heard_of_is_an_empty_answer(
    client: Client, path: str, params: dict[str, str]
) -> None:
    assert ask(client, path, **params)["items"] == []


@pytest.mark.parametrize("path", ["/analytics/trends", "/analytics/costs", "/analytics/users", "/calls"])
def test_ten_years_hold_what_there_is(client: Client, path: str) -> None:
    decade = ask(client, path, start="2016-12-01")["items"]
    # The period of a whole span is named by its first day.
    assert [{**row, "period": None} for row in decade] == [
        {**row, "period": None} for row in ask(client, path)["items"]
    ]


@pytest.mark.parametrize("sort", ["-started_at", "started_at"])
def test_a_filter_looks_through_so_many_calls_and_the_cursor_goes_on(
    client: Client, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    params = {"user": "busy", "sort": sort}
    whole = ask(client, "/calls", **params)
    assert [row["call_id"] for row in whole["items"]] == [str(call_id(3))]
    assert whole["next_cursor"] is None

    monkeypatch.setattr("reports.api.calls.MOST_SCANNED", 5)
    pages = [ask(client, "/calls", **params)]
    while (cursor := pages[-1]["next_cursor"]) is not None:
        pages.append(ask(client, "/calls", **params, cursor=cursor))
    assert len(pages) > 2
    assert [row for page in pages for row in page["items"]] == whole["items"]
    past = client.get("/calls", params={**SPAN, **params, "offset": 1})
    assert past.status_code == 400
    assert "cursor" in past.json()["detail"]


def test_calls_come_newest_first_and_by_the_hour(client: Client) -> None:
    whole = ask(client, "/calls")["items"]
    assert len(whole) == N_CALLS
    assert [row["started_at"] for row in whole] == sorted((row["started_at"] for row in whole), reverse=True)
    hour = {"start": "2026-11-02T12:00:00Z", "end": "2026-11-02T13:00:00Z"}
    assert len(client.get("/calls", params=hour).json()["items"]) == 3


def test_an_alert_lasts_until_it_ends_and_knows_its_silence(client: Client) -> None:
    newest, ended, oldest = ask(client, "/alerts/history")["items"]
    assert (newest["transition"], newest["ended_at"], newest["was_silenced"]) == ("firing", None, True)
    assert (oldest["lasted_seconds"], oldest["was_silenced"]) == (3600, False)
    assert ended["transition"] == "resolved"
    assert newest["group_key"] == BITING


def test_silences_that_are_over_are_shown_when_asked_for(client: Client) -> None:
    assert client.get("/alerts/silences").json()["items"] == []
    (silence,) = client.get("/alerts/silences", params={"which": "all"}).json()["items"]
    assert (silence["state"], silence["group_key"], silence["reason"]) == ("over", "*", "maintenance")


def test_the_same_answer_is_not_sent_twice(client: Client) -> None:
    first = client.get("/calls", params=SPAN)
    tag = first.headers["etag"]
    assert "private" in first.headers["cache-control"]
    for named in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = client.get("/calls", params=SPAN, headers={"if-none-match": named})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = client.get("/calls", params={**SPAN, "limit": 1}, headers={"if-none-match": tag})
    assert other.status_code == 200


def test_answers_are_packed_for_who_can_unpack_them(client: Client) -> None:
    with client.stream("GET", "/calls", params=SPAN, headers={"accept-encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        raw = b"".join(packed.iter_raw())
    with client.stream("GET", "/calls", params=SPAN, headers={"accept-encoding": "identity"}) as plain:
        assert "content-encoding" not in plain.headers
        assert gzip.decompress(raw) == b"".join(plain.iter_raw())
        assert plain.headers["etag"] == packed.headers["etag"]
