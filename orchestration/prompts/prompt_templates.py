"""Prompt templates of landed calls: read the calls that lack one, make forms, match them, write. And what
kind of prompt each is, by which model comparisons weigh.

A day is one transaction. Within it forms are matched in an order that does not depend on how the calls came;
across days what is known stays: a form keeps the template it was first given, and a template its id.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.patterns.cutting import READ_CHARACTERS
from evaluators.patterns.form import MINER, form
from evaluators.patterns.matching import Template, template_id
from evaluators.patterns.mining import mine
from evaluators.patterns.reading import READER, Reading, read
from orchestration.prompts import prompt_template_queries as queries
from orchestration.transactions import writing
from orchestration.windows import Window, day_window, days_of

RELATION = "evaluation.prompt_templates"
NO_TEXT = UUID(int=0)
"""The template of calls whose prompt was not kept, or that have none (embeddings)."""

READ_ROWS = 2_000
MATCH_ROWS = 500


@dataclass(frozen=True, slots=True)
class MiningResult:
    """What a run wrote: `n_calls` assignments, of which `n_named` by the caller's name and `n_without_text`
    to no template; `n_forms` forms that were never seen before made `n_templates` new templates."""

    n_calls: int = 0
    n_named: int = 0
    n_without_text: int = 0
    n_forms: int = 0
    n_templates: int = 0

    def __add__(self, other: "MiningResult") -> "MiningResult":
        return MiningResult(
            self.n_calls + other.n_calls,
            self.n_named + other.n_named,
            self.n_without_text + other.n_without_text,
            self.n_forms + other.n_forms,
            self.n_templates + other.n_templates,
        )


class _Call(NamedTuple):
    """A call whose prompt is to be read: 20,000 characters of it at most, length and hash of all of it."""

    started_at: object
    call_id: object
    prompt_name: str | None
    project: str | None
    text: str | None
    n_characters: int | None
    prompt_hash: int | None


class _Staged(NamedTuple):
    """A row of `staged_prompts`: with a template, or with a form that is to find one."""

    started_at: object
    call_id: object
    template_id: UUID | None
    prompt_name: str | None = None
    project: str | None = None
    form_hash: bytes | None = None
    form: str | None = None
    n_characters: int | None = None
    prompt_hash: int | None = None
    prompt_class: str | None = None
    language: str | None = None


def mine_window(
    connection: Connection[TupleRow], windows: Sequence[Window], *, miner: str = MINER
) -> MiningResult:
    """Give every product and demo call of the windows' days its template; add what is missing.

    The caller's own prompt name is the template where there is one. Calls of another miner's or reader's
    version are read again. A kill -9 keeps the days before it. The connection must be outside a transaction.
    """
    total = MiningResult()
    for day in days_of(windows):
        with writing(connection, relation=RELATION):
            total += _mine_day(connection, day, miner=miner)
    return total


def _mine_day(connection: Connection[TupleRow], day: date, *, miner: str) -> MiningResult:
    window = day_window(day)
    connection.execute(queries.MAKE_STAGE)
    n_named = n_without_text = 0
    for rows in _new_calls(connection, window, miner=miner):
        staged = _staged(rows)
        n_named += sum(row.prompt_name is not None for row in staged)
        n_without_text += sum(row.template_id == NO_TEXT for row in staged)
        _stage(connection, staged)
    # The month may have been made before there was this table.
    connection.execute("select ingest.ensure_month(%s::date)", (day,))
    connection.execute(queries.WRITE_NAMED)
    n_forms, n_templates = _match_new_forms(connection, miner=miner)
    versions = {"miner": miner, "reader": READER}
    written = connection.execute(queries.WRITE_ASSIGNMENTS, versions).fetchone()
    return MiningResult(written[0] if written else 0, n_named, n_without_text, n_forms, n_templates)


def _new_calls(connection: Connection[TupleRow], window: Window, *, miner: str) -> Iterator[list[_Call]]:
    given = {
        "start": window.start,
        "end": window.end,
        "miner": miner,
        "reader": READER,
        "most_characters": READ_CHARACTERS,
    }
    with connection.cursor("new_prompts", scrollable=False) as cursor:
        cursor.execute(queries.NEW_CALLS, given)
        while rows := cursor.fetchmany(READ_ROWS):
            yield [_Call(*row) for row in rows]


def _staged(calls: Sequence[_Call]) -> list[_Staged]:
    """Each distinct text is read once, however often it was sent."""
    texts = list({call.text: None for call in calls if call.text and call.text.strip()})
    readings = dict(zip(texts, read(texts), strict=True))
    return [_staged_call(call, reading=readings.get(call.text or "")) for call in calls]


def _staged_call(call: _Call, *, reading: Reading | None) -> _Staged:
    staged = _Staged(call.started_at, call.call_id, NO_TEXT)
    if call.text and reading:
        found = None if call.prompt_name else form(call.text)
        staged = staged._replace(
            template_id=None,
            form_hash=_hash(found) if found else None,
            form=found,
            n_characters=call.n_characters,
            prompt_hash=call.prompt_hash,
            prompt_class=reading.prompt_class,
            language=reading.language,
        )
    if call.prompt_name:
        named = template_id("caller", call.project or "", call.prompt_name)
        staged = staged._replace(template_id=named, prompt_name=call.prompt_name, project=call.project)
    return staged


def _stage(connection: Connection[TupleRow], rows: Iterable[_Staged]) -> None:
    with connection.cursor() as cursor, cursor.copy(queries.STAGE) as copy:
        for row in rows:
            copy.write_row(row)


def _match_new_forms(connection: Connection[TupleRow], *, miner: str) -> tuple[int, int]:
    """Write the new forms and the templates they make; returns how many of each."""
    n_forms = n_templates = 0
    with connection.cursor("new_forms", scrollable=False) as cursor:
        cursor.execute(queries.NEW_FORMS, {"miner": miner})
        while rows := cursor.fetchmany(MATCH_ROWS):
            hashes = {text: form_hash for form_hash, text in rows}

            def look_up(keys: Sequence[Sequence[int]]) -> list[list[Template]]:
                return _candidates(connection, keys, miner=miner)

            mined = mine(list(hashes), look_up=look_up)
            new = [
                (each.template.id, each.form, miner, list(each.bands))
                for each in mined
                if each.bands is not None
            ]
            forms = [(hashes[each.form], miner, each.template.id) for each in mined]
            with connection.cursor() as writer:
                writer.executemany(queries.WRITE_TEMPLATE, new)
                writer.executemany(queries.WRITE_FORM, forms)
            n_forms += len(forms)
            n_templates += len(new)
    return n_forms, n_templates


def _candidates(
    connection: Connection[TupleRow], keys: Sequence[Sequence[int]], *, miner: str
) -> list[list[Template]]:
    """For the bands of each form, the templates of this miner that share one."""
    flat = [(number, key) for number, own in enumerate(keys) for key in own]
    given = {
        "numbers": [number for number, _ in flat],
        "keys": [key for _, key in flat],
        "miner": miner,
    }
    found: list[list[Template]] = [[] for _ in keys]
    for number, known, text in connection.execute(queries.CANDIDATES, given):
        found[number].append(Template(known, text))
    return found


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
