"""Prices copied from genai-prices, brought up to what a newer version of the library says."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import LiteralString

from packaging.version import InvalidVersion, Version
from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from evaluators.pricing import genai
from evaluators.pricing.renewal import Renewal, renew
from evaluators.pricing.rows import GENAI_SOURCE, PriceRow
from orchestration.cost.price_book import CHARGES
from orchestration.cost.price_rows import CURRENT, PRICES, add_rows, mark_charges, supersede_rows
from orchestration.transactions import LOCK, clock, writing

Model = tuple[str, str]

COPIED_FROM: LiteralString = """
select distinct provider, model, split_part(source, ' ', 2)
from cost.prices
where superseded_at is null and starts_with(source, %s)
"""

COPIES: LiteralString = f"""
{CURRENT}
  and starts_with(source, %(source)s)
  and (provider, model) in (select * from unnest(%(providers)s::text[], %(models)s::text[]))
"""


def renew_snapshots(connection: Connection[TupleRow]) -> int:
    """Copy what the installed genai-prices says otherwise than the older one a model's prices were copied
    from; returns the rows added.

    Supersedes and marks hours as an import does, in the same transaction, and waits for running charges in
    the same way. Nothing is written, locked or read of the charges where no price differs, so the work grows
    with the copied models alone (0.3 ms each of those that an older version was the last to change). Models
    that the library has forgotten or now refuses keep their prices, and an older library than the one copied
    from changes nothing. The connection must be outside a transaction.
    """
    with connection.transaction():
        changed = [model for model, _ in _renewals(connection, _outdated(connection))]
    if not changed:
        return 0
    with writing(connection, relation=CHARGES):
        connection.execute(LOCK, (PRICES,))
        renewals = list(_renewals(connection, _outdated(connection) & set(changed)))
        at = clock(connection)
        supersede_rows(connection, [row for _, renewal in renewals for row in renewal.superseded], at=at)
        added = [row for _, renewal in renewals for row in renewal.added]
        if added:
            add_rows(connection, added, at=at)
        mark_charges(connection, [(*model, *span) for model, renewal in renewals for span in renewal.spans])
    return len(added)


def _outdated(connection: Connection[TupleRow]) -> set[Model]:
    """Copied models none of whose rows is from the installed version of the library or a newer one."""
    newest: dict[Model, Version] = {}
    for provider, model, text in connection.execute(COPIED_FROM, (GENAI_SOURCE,)).fetchall():
        copied = _version(text)
        newest[provider, model] = max(newest.get((provider, model), copied), copied)
    installed = _version(genai.library_version())
    return {model for model, version in newest.items() if version < installed}


def _renewals(connection: Connection[TupleRow], models: Collection[Model]) -> Iterator[tuple[Model, Renewal]]:
    """What changes about each of the models about which anything does."""
    at = datetime.now(UTC)
    for (provider, model), held in sorted(_copies(connection, models).items()):
        learnt = genai.snapshot_rows(provider, model, at=at)
        if not isinstance(learnt, genai.Refused) and (renewal := renew(held, learnt)).spans:
            yield (provider, model), renewal


def _copies(connection: Connection[TupleRow], models: Collection[Model]) -> dict[Model, list[PriceRow]]:
    copies: defaultdict[Model, list[PriceRow]] = defaultdict(list)
    given = {
        "source": GENAI_SOURCE,
        "providers": [provider for provider, _ in models],
        "models": [model for _, model in models],
    }
    if models:
        with connection.cursor(row_factory=class_row(PriceRow)) as cursor:
            for row in cursor.execute(COPIES, given):
                copies[row.provider or "", row.model].append(row)
    return copies


def _version(text: str) -> Version:
    """A version to compare; text that is none, as only a row written by hand has, is older than any."""
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0.dev0")
