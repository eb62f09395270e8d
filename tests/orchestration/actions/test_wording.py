"""What people write to an action: reasons of any script, and no text or time that means nothing."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from orchestration.alerts.actions.errors import ActionError
from orchestration.alerts.actions.silences import MOST_LABELS, Matcher
from orchestration.alerts.actions.wording import LONGEST, Author, nearest, note, to_come, words

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["known outage", "장애 🙂", "👩‍👩‍👧 family", "<script>&*_~`@here", "ي", "x" * LONGEST]
)
def test_a_reason_of_any_script_stays_as_it_is(text: str) -> None:
    assert words(f"  {text} ", field="reason") == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("x" * 1_000_000, "at most 1,000 characters, not 1,000,000"),
        ("two\nlines", "one line"),
        ("nul\0", "one line"),
        ("\x1b[31mred", "one line"),
        ("\ud800", "one line"),
        ("\u202eturned", "one line"),
    ],
)
def test_a_reason_that_is_none_is_told_of(text: str, says: str) -> None:
    with pytest.raises(ActionError, match=f"reason: .*{says}"):
        words(text, field="reason")


def test_a_note_may_be_empty() -> None:
    assert note(" ", field="note") == ""


def test_an_author_has_a_name() -> None:
    with pytest.raises(ActionError, match="by: "):
        Author(" ").checked()


@pytest.mark.parametrize(
    "at",
    [
        NOW,
        NOW - timedelta(seconds=1),
        datetime(2026, 11, 22, 20, tzinfo=timezone(timedelta(hours=9))),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-14))),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(2027, 1, 1),  # noqa: DTZ001  (that it is naive is the point)
    ],
)
def test_a_time_that_is_past_or_has_no_zone_is_told_of(at: datetime) -> None:
    with pytest.raises(ActionError, match="ends_at: "):
        to_come(at, field="ends_at", now=NOW)


def test_a_time_is_to_come_by_its_own_zone() -> None:
    at = datetime(2026, 11, 22, 22, tzinfo=timezone(timedelta(hours=9)))
    assert to_come(at, field="ends_at", now=NOW) == datetime(2026, 11, 22, 13, tzinfo=UTC)


def test_the_nearest_names_are_told() -> None:
    known = {"failing_share", "judge_grades", "cost_jump"}
    assert nearest("failing-share", known) == "did you mean failing_share?"
    assert nearest("zzz", known) == "there are cost_jump, failing_share, judge_grades"
    assert nearest("zzz", {f"rule_{number}" for number in range(9)}).endswith(" …")
    assert nearest("zzz", set()) == "there is none yet"


@pytest.mark.parametrize(
    "matcher",
    [
        Matcher(rule=" "),
        Matcher(severity="loud"),
        Matcher(owner=""),
        Matcher(labels={"team": ""}),
        Matcher(labels={"": "x"}),
        Matcher(labels={str(number): "x" for number in range(MOST_LABELS + 1)}),
    ],
)
def test_a_matcher_that_could_fit_nothing_is_told_of(matcher: Matcher) -> None:
    with pytest.raises(ActionError):
        matcher.checked()
