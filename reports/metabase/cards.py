"""Our questions as Metabase's cards, and the dashboards that they stand on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid5

from reports.questions import dialects
from reports.questions.question import Question, question

# Ids follow from names, so that every run gives a tag and a filter the same one.
NAMESPACE = UUID("0b1cde2c-5a0c-5d0f-9c3e-2f1d2b7a6f10")
SPAN = ("since", "until")
LABELS = {"since": "Since", "until": "Until", "grain": "Points (day, week, month)", "call_id": "Call"}

Display = Literal["line", "bar", "table"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """A question and how Metabase draws it; `series` is the column that names a chart's lines."""

    question: str
    display: Display = "table"
    series: str | None = None


@dataclass(frozen=True, slots=True)
class CardPage:
    """A dashboard of cards, from top to bottom, two charts a line."""

    title: str
    about: str
    cards: Sequence[Card]


def card_body(card: Card, *, database: int, collection: int) -> Json:
    """What `POST /api/card` and `PUT /api/card/:id` take."""
    asked = question(card.question)
    return {
        "name": asked.title,
        "description": asked.asks,
        "display": card.display,
        "collection_id": collection,
        "dataset_query": {
            "type": "native",
            "database": database,
            "native": {
                "query": asked.written_for(dialects.metabase),
                "template-tags": {name: _tag(name) for name in tags(asked)},
            },
        },
        "parameters": [_parameter(name) for name in tags(asked)],
        "visualization_settings": _drawn(card),
    }


def tags(asked: Question) -> list[str]:
    """The tags in a question's SQL: of the span only those that stand in it."""
    sql = asked.written_for(dialects.metabase)
    return [name for name in (*SPAN, *asked.variables) if f"{{{{{name}}}}}" in sql]


def page_body(page: CardPage) -> Json:
    """The dashboard itself: name, description and its filters."""
    return {"name": page.title, "description": page.about, "parameters": page_parameters(page)}


def page_parameters(page: CardPage) -> list[Json]:
    """One filter a tag that any of its cards has."""
    names = dict.fromkeys(name for card in page.cards for name in tags(question(card.question)))
    return [{key: value for key, value in _parameter(name).items() if key != "target"} for name in names]


def page_cards(page: CardPage, *, ids: dict[str, int], placed: dict[int, int]) -> list[Json]:
    """The cards as `PUT /api/dashboard/:id` takes them; `placed` is card id to the place it has already.

    A place that is new has a negative id.
    """
    body: list[Json] = []
    row = column = 0
    for number, card in enumerate(page.cards, start=1):
        width, height = (24, 8) if card.display == "table" else (12, 7)
        if column + width > 24:
            row, column = row + 8, 0
        asked = question(card.question)
        card_id = ids[asked.title]
        body.append(
            {
                "id": placed.get(card_id, -number),
                "card_id": card_id,
                "row": row,
                "col": column,
                "size_x": width,
                "size_y": height,
                "series": [],
                "visualization_settings": {},
                "parameter_mappings": [
                    {"card_id": card_id, "parameter_id": _id("filter", name), "target": _target(name)}
                    for name in tags(asked)
                ],
            }
        )
        column += width
    return body


def _tag(name: str) -> Json:
    form = "date" if name in SPAN else "text"
    return {"id": str(uuid5(NAMESPACE, name)), "name": name, "display-name": _label(name), "type": form}


def _parameter(name: str) -> Json:
    return {
        "id": _id("filter", name),
        "name": _label(name),
        "slug": name,
        "type": "date/single" if name in SPAN else "string/=",
        "sectionId": "date" if name in SPAN else "string",
        "target": _target(name),
    }


def _target(name: str) -> list[Any]:
    return ["variable", ["template-tag", name]]


def _label(name: str) -> str:
    return LABELS.get(name, name.capitalize())


def _id(kind: str, name: str) -> str:
    return uuid5(NAMESPACE, f"{kind}/{name}").hex[:8]


def _drawn(card: Card) -> Json:
    """The axes of a chart: time, the series, and the value."""
    if card.display == "table":
        return {}
    return {
        "graph.dimensions": ["time", *([card.series] if card.series else [])],
        "graph.metrics": ["value"],
        **({"stackable.stack_type": "stacked"} if card.display == "bar" else {}),
    }
