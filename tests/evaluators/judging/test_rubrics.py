"""Rubrics: what is shipped, and what a file must be."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from evaluators.judging.rubrics import GRADES, RubricError, load_rubric, parse_rubric, shipped_rubrics

HEAD = """name: brevity
version: 1.0.0
title: Brevity
question: Is it short?
needs: [answer]"""
GOOD = f"""---
{HEAD}
---
Look at the length.

## 5: Short
One sentence.

## 4: Rather short
Two.

## 3: Middling
Three.

## 2: Long
Many.

## 1: Endless
No end.
"""


def test_the_shipped_rubrics_are_those_the_documentation_names() -> None:
    cards = (Path(__file__).parents[3] / "docs" / "judges.md").read_text(encoding="utf-8")
    documented = re.findall(r"^### `(\w+)`", cards, re.MULTILINE)
    assert sorted(documented) == sorted(shipped_rubrics())
    assert set(shipped_rubrics()) >= {
        *("helpfulness", "truthfulness", "safety", "tone", "overall"),
        *("groundedness", "correctness", "session"),
    }


@pytest.mark.parametrize("name", shipped_rubrics())
def test_a_shipped_rubric_describes_each_of_five_grades_in_words_of_its_own(name: str) -> None:
    anchors = shipped_rubrics()[name].anchors
    assert [anchor.grade for anchor in anchors] == sorted(GRADES, reverse=True)
    assert len({anchor.label for anchor in anchors}) == 5
    assert all(len(anchor.text.split()) >= 10 for anchor in anchors)


def test_what_must_be_there_for_a_question_follows_from_the_rubric() -> None:
    rubrics = shipped_rubrics()
    assert rubrics["groundedness"].needs == {"prompt", "answer", "context"}
    assert rubrics["correctness"].needs == {"prompt", "answer", "reference"}
    assert "session" in rubrics["session"].needs
    assert rubrics["tone"].needs == {"prompt", "answer"}


def test_a_rubric_is_read_from_its_file_as_written(tmp_path: Path) -> None:
    path = tmp_path / "brevity.md"
    path.write_text(GOOD)
    rubric = load_rubric(path)
    assert (rubric.name, rubric.version, rubric.question) == ("brevity", "1.0.0", "Is it short?")
    assert rubric.guidance == "Look at the length."
    assert rubric.label(2) == "Long"
    assert rubric.anchors[0].text == "One sentence."


def test_line_endings_and_a_byte_order_mark_are_no_other_rubric(tmp_path: Path) -> None:
    path = tmp_path / "brevity.md"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_rubric(path).hash == parse_rubric(GOOD, source="x").hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Look at", "Look hard at"),
        ("One sentence", "A sentence"),
        ("5: Short", "5: Brief"),
        ("Is it short?", "Is it brief?"),
        ("1.0.0", "1.0.1"),
        ("[answer]", "[answer, prompt]"),
        ("title: Brevity", "title: Shortness"),
    ],
)
def test_any_changed_word_is_another_hash(old: str, new: str) -> None:
    assert parse_rubric(GOOD.replace(old, new), source="x").hash != parse_rubric(GOOD, source="x").hash


def test_the_same_words_in_other_grades_are_another_hash() -> None:
    rubric = parse_rubric(GOOD, source="x")
    five, four, *rest = rubric.anchors
    swapped = replace(rubric, anchors=(replace(five, text=four.text), replace(four, text=five.text), *rest))
    assert swapped.hash != rubric.hash


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("---\nname", "name", "front matter"),
        ("name: brevity", "name: [", "no YAML"),
        ("name: brevity", "name: Brevity!", "a name is"),
        ("version: 1.0.0", "version: 1.0", "must be a text"),
        ("version: 1.0.0", "version: '1.0'", "three numbers"),
        ("question: Is it short?\n", "", "missing or unknown: question"),
        ("title: Brevity", "title: Brevity\nscale: 10", "missing or unknown: scale"),
        ("[answer]", "[soul]", "needs is a list"),
        ("[answer]", "[]", "needs is a list"),
        ("## 4: Rather short", "## 5: Rather short", "each grade from 1 to 5"),
        ("## 1: Endless\nNo end.\n", "", "each grade from 1 to 5"),
        ("Two.\n", "", "grade 4 does not say"),
        (
            "name: brevity\nversion: 1.0.0\ntitle: Brevity\nquestion: Is it short?\nneeds: [answer]",
            "- a",
            "no mapping",
        ),
    ],
)
def test_a_wrong_rubric_is_refused_in_one_line_that_names_the_file(old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(RubricError, match=re.escape(says)) as raised:
        parse_rubric(GOOD.replace(old, new, 1), source="brevity.md")
    assert str(raised.value).startswith("brevity.md: ")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_not_text_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RubricError, match="No such file"):
        load_rubric(tmp_path / "none.md")
    binary, large = tmp_path / "binary.md", tmp_path / "large.md"
    binary.write_bytes(b"\xff\xfe\x00")
    large.write_text(GOOD + "x" * 70_000)
    with pytest.raises(RubricError, match="UTF-8"):
        load_rubric(binary)
    with pytest.raises(RubricError, match="at most 64 kB"):
        load_rubric(large)
