"""Our database, cards and dashboards into Metabase, over its API; what has our names is renewed."""

from dataclasses import dataclass
from typing import Any

from ingest.database.url import DatabaseUrl
from reports.metabase.cards import CardPage, card_body, page_body, page_cards
from reports.metabase.catalogue import PAGES
from reports.metabase.client import Metabase, MetabaseError
from reports.questions.question import question

COLLECTION = "LLM Quality Observer"
SCHEMA = "marts"


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """What stands in Metabase now."""

    database_id: int
    collection_id: int
    n_cards: int
    n_dashboards: int


def bootstrap(metabase: Metabase, *, database: str, login: DatabaseUrl | None) -> Bootstrapped:
    """Make what is missing and renew the rest, found by name inside our collection.

    `login` is needed until Metabase has a database of that name, and renews its connection where given.
    Cards that people added are left alone. Raises MetabaseError with one line.
    """
    database_id = _ensure_database(metabase, name=database, login=login)
    collection_id = _ensure_collection(metabase)
    cards = _ensure_cards(metabase, database_id=database_id, collection_id=collection_id)
    for page in PAGES:
        _ensure_page(metabase, page, collection_id=collection_id, cards=cards)
    return Bootstrapped(database_id, collection_id, n_cards=len(cards), n_dashboards=len(PAGES))


def _ensure_database(metabase: Metabase, *, name: str, login: DatabaseUrl | None) -> int:
    found = _by_name(metabase.listed("database")).get(name)
    if login is None:
        if found is None:
            raise MetabaseError(
                f"{metabase.url} has no database {name!r} yet: give lqo_bi's URL (LQO_BI_URL)"
            )
        return found
    body = {"name": name, "engine": "postgres", "details": _details(login)}
    if found is None:
        return int(metabase.post("database", body)["id"])
    metabase.put(f"database/{found}", body)
    return found


def _details(login: DatabaseUrl) -> dict[str, Any]:
    mode = dict(login.options).get("sslmode", "")
    has_tls = mode in ("require", "verify-ca", "verify-full")
    return {
        "host": login.host,
        "port": login.port,
        "dbname": login.dbname,
        "user": login.user,
        "password": login.password,
        "ssl": has_tls,
        **({"ssl-mode": mode} if has_tls else {}),
        "schema-filters-type": "inclusion",
        "schema-filters-patterns": SCHEMA,
    }


def _ensure_collection(metabase: Metabase) -> int:
    found = _by_name(metabase.listed("collection")).get(COLLECTION)
    return found if found is not None else int(metabase.post("collection", {"name": COLLECTION})["id"])


def _ensure_cards(metabase: Metabase, *, database_id: int, collection_id: int) -> dict[str, int]:
    """Card ids by name."""
    there = _by_name(metabase.listed(f"collection/{collection_id}/items?models=card&limit=1000"))
    ids: dict[str, int] = {}
    for card in dict.fromkeys(card for page in PAGES for card in page.cards):
        body = card_body(card, database=database_id, collection=collection_id)
        name = question(card.question).title
        if name in there:
            metabase.put(f"card/{there[name]}", body)
            ids[name] = there[name]
        else:
            ids[name] = int(metabase.post("card", body)["id"])
    return ids


def _ensure_page(metabase: Metabase, page: CardPage, *, collection_id: int, cards: dict[str, int]) -> None:
    there = _by_name(metabase.listed(f"collection/{collection_id}/items?models=dashboard&limit=1000"))
    body = page_body(page)
    page_id = there.get(page.title)
    if page_id is None:
        page_id = int(metabase.post("dashboard", {**body, "collection_id": collection_id})["id"])
    held = metabase.get(f"dashboard/{page_id}").get("dashcards") or []
    placed = {int(place["card_id"]): int(place["id"]) for place in held if place.get("card_id")}
    metabase.put(f"dashboard/{page_id}", {**body, "dashcards": page_cards(page, ids=cards, placed=placed)})


def _by_name(objects: list[dict[str, Any]]) -> dict[str, int]:
    """Ids by name; the root collection's id is a word and is passed over."""
    return {found["name"]: found["id"] for found in objects if isinstance(found.get("id"), int)}
