"""Questions to the marts, one SQL file each, and the marks in them that every reader fills in its own way.

A file begins with comments: the title, then the question that it answers. In the SQL stand marks:

| mark | what a reader puts there |
|---|---|
| `:since`, `:until` | the ends of the span, timestamptz; `:since` is cut to its hour |
| `:since_day`, `:until_day` | its first and last UTC day, both inside |
| `:grain` | `hour`, `day`, `week` or `month`: what points of a chart stand for |
| `:use_hours` | true where the span is short enough for hourly marts and nobody asked for a longer grain |
| `:in(model)` | a condition on the column: one of those that were chosen, or no choice |
| `:call_id` | a call's id as text, perhaps empty |
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

FOLDER = Path(__file__).parent / "sql"
_MARK = re.compile(r"(?<!:):(since_day|until_day|since|until|grain|use_hours|call_id|in\((\w+)\))(?!\w)")


class Dialect(Protocol):
    """How a reader writes a mark; `column` is given for `in`, and is the variable's name as well."""

    def __call__(self, mark: str, *, column: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Question:
    """A title, the question in words, and SQL with marks."""

    name: str
    title: str
    asks: str
    sql: str

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns that a reader may narrow it by, and `grain` and `call_id` where it has them."""
        found = (match[2] or match[1] for match in _MARK.finditer(self.sql))
        spans = ("since", "until", "since_day", "until_day")
        names = ("grain" if name == "use_hours" else name for name in found if name not in spans)
        return tuple(dict.fromkeys(names))

    def written_for(self, dialect: Dialect) -> str:
        """The SQL with every mark filled in."""
        return _MARK.sub(lambda match: dialect(match[1].split("(")[0], column=match[2] or ""), self.sql)


@cache
def question(name: str) -> Question:
    """The question in `sql/<name>.sql`; raises FileNotFoundError where there is none."""
    lines = (FOLDER / f"{name}.sql").read_text("utf-8").splitlines()
    head = 0
    while lines[head].startswith("--"):
        head += 1
    title, *asks = (line.removeprefix("--").strip() for line in lines[:head])
    return Question(name, title, " ".join(asks), "\n".join(lines[head:]).strip() + "\n")


def all_questions() -> list[Question]:
    """Every question, by name."""
    return [question(path.stem) for path in sorted(FOLDER.glob("*.sql"))]
