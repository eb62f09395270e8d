"""Rubrics: Markdown files with YAML front matter, one question each, five grades with their anchors."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import yaml

Need = Literal["prompt", "answer", "context", "reference", "session"]
GRADES: Final = (1, 2, 3, 4, 5)

_LARGEST_FILE = 64 << 10
_FIELDS = ("name", "version", "title", "question", "needs")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_ANCHOR = re.compile(r"^## +(?P<grade>[0-9]{1,2}) *[:–-] *(?P<label>\S.*?) *$", re.MULTILINE)


class RubricError(ValueError):
    """A rubric cannot be used; the message is one line and names the file."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What one grade means; `label` is a word or two, `text` what an answer of this grade is like."""

    grade: int
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Rubric:
    """One question about a call, graded 1–5.

    `guidance` is what the judge reads before the anchors (highest grade first). `needs` names what a call
    must have to be asked about: where it lacks, the call is unscored and not graded low.
    """

    name: str
    version: str
    title: str
    question: str
    guidance: str
    anchors: tuple[Anchor, ...]
    needs: frozenset[Need]

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over every word of it; line endings and the order of fields do not matter."""
        parts = [self.name, self.version, self.title, self.question, self.guidance]
        anchors = [[anchor.grade, anchor.label, anchor.text] for anchor in self.anchors]
        return sha256(json.dumps([parts, anchors, sorted(self.needs)]).encode()).hexdigest()

    def label(self, grade: int) -> str:
        """The label of a grade of 1–5."""
        return next(anchor.label for anchor in self.anchors if anchor.grade == grade)


@cache
def shipped_rubrics() -> dict[str, Rubric]:
    """The rubrics that come with the package, by name."""
    folder = files("evaluators") / "rubrics"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    rubrics = [parse_rubric(texts[name], source=name) for name in sorted(texts) if name.endswith(".md")]
    return {rubric.name: rubric for rubric in rubrics}


def load_rubric(path: Path) -> Rubric:
    """The rubric of a file. Raises RubricError, also for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RubricError(f"{path}: {getattr(error, 'strerror', None) or 'is not UTF-8'}") from None
    if len(text.encode()) > _LARGEST_FILE:
        raise RubricError(f"{path}: a rubric has at most {_LARGEST_FILE >> 10} kB")
    return parse_rubric(text, source=str(path))


def parse_rubric(text: str, *, source: str) -> Rubric:
    """The rubric of a text; `source` names it in errors. Raises RubricError."""
    head, body = _halves(text.replace("\r\n", "\n").removeprefix("\ufeff"), source=source)
    fields = _fields(head, source=source)
    found = list(_ANCHOR.finditer(body))
    ends = [later.start() for later in found[1:]] + [len(body)]
    anchors = [
        Anchor(int(match["grade"]), match["label"], body[match.end() : end].strip())
        for match, end in zip(found, ends, strict=True)
    ]
    if sorted(anchor.grade for anchor in anchors) != list(GRADES):
        raise RubricError(f"{source}: needs one heading '## GRADE: label' for each grade from 1 to 5")
    if empty := next((anchor.grade for anchor in anchors if not anchor.text), None):
        raise RubricError(f"{source}: grade {empty} does not say what it means")
    return Rubric(
        name=fields["name"],
        version=fields["version"],
        title=fields["title"],
        question=fields["question"],
        guidance=body[: found[0].start()].strip(),
        anchors=tuple(sorted(anchors, key=lambda anchor: -anchor.grade)),
        needs=fields["needs"],
    )


def _halves(text: str, *, source: str) -> tuple[str, str]:
    if not text.startswith("---\n") or len(parts := text[4:].split("\n---\n", maxsplit=1)) < 2:
        raise RubricError(f"{source}: must begin with front matter between two lines of '---'")
    return parts[0], parts[1]


def _fields(head: str, *, source: str) -> Mapping[str, Any]:
    try:
        given = yaml.safe_load(head)
    except (yaml.YAMLError, RecursionError):
        raise RubricError(f"{source}: its front matter is no YAML") from None
    if not isinstance(given, dict):
        raise RubricError(f"{source}: its front matter is no mapping")
    fields = cast("dict[str, Any]", given)
    if set(fields) != set(_FIELDS):
        wrong = ", ".join(sorted(str(name) for name in set(fields) ^ set(_FIELDS)))
        raise RubricError(f"{source}: its fields are {', '.join(_FIELDS)}; missing or unknown: {wrong}")
    for name, value in fields.items():
        if name != "needs" and (not isinstance(value, str) or not value.strip()):
            raise RubricError(f"{source}: {name} must be a text (quote a version)")
    if not _NAME.fullmatch(fields["name"]) or not _VERSION.fullmatch(fields["version"]):
        raise RubricError(f"{source}: a name is a-z, 0-9 and _, a version three numbers such as 1.0.0")
    return {**fields, "question": fields["question"].strip(), "needs": _needs(fields["needs"], source=source)}


def _needs(given: object, *, source: str) -> frozenset[Need]:
    known = get_args(Need)
    if not isinstance(given, list) or not given or any(need not in known for need in given):
        raise RubricError(f"{source}: needs is a list of {', '.join(known)}")
    return frozenset(cast("list[Need]", given))
