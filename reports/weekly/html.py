"""The pieces that pages are made of: figures with a legend and a table, tables that fold on a phone."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column; numbers stand to the right."""

    name: str
    is_number: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, label: str, look: str = "") -> str:
    """A table of cells that are HTML already. Of look `fold`, each row is a card on a phone.

    The roles are said once more, because a table that is laid out as cards is none to a screen reader.
    """
    head = "".join(
        f'<th role="columnheader" scope="col"{_side(column)}>{escape(column.name)}</th>' for column in columns
    )
    body = "".join(f'<tr role="row">{_cells(columns, row)}</tr>' for row in rows)
    return (
        f'<table class="{look}" role="table" aria-label="{escape(label)}">'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def figure(*, heading: str, below: str, legend: Sequence[tuple[str, str]], svg: str, data: str) -> str:
    """A chart under its heading; `legend` pairs a look with HTML, `data` is the table of what is drawn."""
    keys = "".join(f'<li><span class="key f-{look}"></span>{text}</li>' for look, text in legend)
    return (
        f'<figure><figcaption><h3>{escape(heading)}</h3><p class="dim">{below}</p></figcaption>'
        f"{f'<ul class=legend>{keys}</ul>' if keys else ''}{svg}"
        f"<details><summary>The figures of this chart</summary>{data}</details></figure>"
    )


def nothing(text: str) -> str:
    """What stands where there is nothing to show."""
    return f'<p class="none">{escape(text)}</p>'


def _cells(columns: Sequence[Column], row: Sequence[str]) -> str:
    first, *rest = zip(columns, row, strict=True)
    return f'<th role="rowheader" scope="row"{_side(first[0])}>{first[1]}</th>' + "".join(
        f'<td role="cell" data-label="{escape(column.name)}"{_side(column)}><span>{cell}</span></td>'
        for column, cell in rest
    )


def _side(column: Column) -> str:
    return ' class="n"' if column.is_number else ""
