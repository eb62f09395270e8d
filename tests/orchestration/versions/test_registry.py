"""Versions are registered once; the first is active, every other waits."""

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.versions.registry import VersionError, find_version, list_versions
from tests.orchestration.seeding import rows
from tests.orchestration.versions.scoring import version

Connection = psycopg.Connection[TupleRow]


def test_the_first_version_is_active_and_later_ones_are_drafts(connection: Connection) -> None:
    first, second = version(connection, "1.0.0+aaa"), version(connection, "2.0.0+bbb")
    other = version(connection, "9", evaluator="safety")

    assert [first.status, second.status, other.status] == ["active", "draft", "active"]
    periods = rows(
        connection,
        "select evaluator_version, current_from, current_to from evaluation.version_periods order by 1",
    )
    # A first version speaks for the days before it was registered, too; a draft for none.
    assert periods == [("1.0.0+aaa", None, None), ("9", None, None)]


def test_registering_again_changes_nothing(connection: Connection) -> None:
    version(connection, "1")
    draft = version(connection, "2")
    before = list_versions(connection)

    assert version(connection, "2") == draft
    assert list_versions(connection) == before


def test_an_evaluator_keeps_its_kind(connection: Connection) -> None:
    version(connection, "1")
    with pytest.raises(VersionError, match="tone is a judge already"):
        version(connection, "2", kind="external")


@pytest.mark.parametrize(
    ("name", "number"), [("to ne", "1"), ("", "1"), ("tone", "1 2"), ("tone", "a@b"), ("tone", "")]
)
def test_names_that_nobody_could_type_are_refused(connection: Connection, name: str, number: str) -> None:
    with pytest.raises(VersionError):
        version(connection, number, evaluator=name)


def test_a_version_is_found_by_as_much_as_is_needed(connection: Connection) -> None:
    first, second = version(connection, "1.0.0+aaa"), version(connection, "1.0.0+abc")
    other = version(connection, "1.0.0+aaa", evaluator="safety")

    assert find_version(connection, "1.0.0+ab") == second
    assert find_version(connection, "tone@1.0.0+aaa") == first
    assert find_version(connection, "safety@1") == other
    for vague in ("1.0.0+aaa", "tone@1.0", "1"):
        with pytest.raises(VersionError, match="may mean"):
            find_version(connection, vague)
    with pytest.raises(VersionError, match="there is no version"):
        find_version(connection, "tone@3")


def test_a_whole_name_beats_a_longer_one_that_begins_so(connection: Connection) -> None:
    short = version(connection, "1.0")
    version(connection, "1.0.1")
    assert find_version(connection, "1.0") == short
