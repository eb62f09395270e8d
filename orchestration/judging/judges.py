"""The judges an operator has configured, and the evaluator version that each of them is."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, LiteralString

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from ingest.access.secrets import is_reference
from orchestration.judging.policies import NAME
from orchestration.transactions import writing
from orchestration.versions.periods import follow

if TYPE_CHECKING:
    from evaluators.judging.judge import JudgeSpec
    from evaluators.judging.rubrics import Rubric

Processing = Literal["direct", "batch"]
URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?")
# Parameters of `JudgeSpec` that an operator may set, and what each may be.
PARAMETERS: dict[str, tuple[type, ...]] = {
    "temperature": (int, float, NoneType),
    "seed": (int, NoneType),
    "max_tokens": (int, NoneType),
    "max_tokens_field": (str,),
    "output": (str,),
    "reasoning_effort": (str, NoneType),
    "max_input_bytes": (int,),
    "allows_same_model": (bool,),
}

COLUMNS: LiteralString = """
    judge, evaluator, rubric, provider, model, base_url, secret_ref, parameters, policy, concurrency,
    cache_days, processing, is_enabled, evaluator_version_id
"""

ADD: LiteralString = f"""
insert into evaluation.judges (
    judge, evaluator, rubric, provider, model, base_url, secret_ref, parameters, policy, concurrency,
    cache_days, processing, is_enabled
)
values (
    %(judge)s, %(evaluator)s, %(rubric)s, %(provider)s, %(model)s, %(base_url)s, %(secret_ref)s,
    %(parameters)s, %(policy)s, %(concurrency)s, %(cache_days)s, %(processing)s, %(is_enabled)s
)
returning {COLUMNS}
"""

# The version that was current ends where the new one begins; one that comes back is current again.
ADD_VERSION: LiteralString = """
with added as (
    insert into evaluation.evaluator_versions (evaluator, version, kind, status, description, current_from)
    values (
        %(evaluator)s, %(version)s, 'judge', case when %(is_enabled)s then 'active' else 'draft' end,
        %(description)s, case when %(is_enabled)s then now() end
    )
    on conflict (evaluator, version) do update
    set status = 'active', current_from = now(), current_to = null
    where evaluator_versions.status <> 'active' and %(is_enabled)s
    returning id
),
version as (
    select id from added
    union
    select id from evaluation.evaluator_versions where evaluator = %(evaluator)s and version = %(version)s
),
retired as (
    update evaluation.evaluator_versions set status = 'retired', current_to = now()
    where id = %(previous)s and status = 'active' and id not in (select id from version)
),
kept as (
    insert into evaluation.judge_versions (evaluator_version_id, judge, rubric, provider, model, parameters)
    select id, %(judge)s, %(rubric)s, %(provider)s, %(model)s, %(parameters)s from version
    on conflict (evaluator_version_id) do nothing
)
update evaluation.judges set evaluator_version_id = version.id, updated_at = now()
from version
where judge = %(judge)s
returning judges.evaluator_version_id
"""


ACTIVATE: LiteralString = """
update evaluation.evaluator_versions set status = 'active', current_from = now(), current_to = null
where id = %s and status <> 'active'
"""


class JudgeError(ValueError):
    """A judge cannot be what was asked for; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A configured judge; mirrors `evaluation.judges`.

    `rubric` is its Markdown, `parameters` what the operator set of `JudgeSpec`, `secret_ref` env:NAME or
    file:/path (None: the endpoint wants no key). At most `concurrency` requests are out at once. Verdicts
    older than `cache_days` are not used again (None: for ever). `processing` is `direct`, or `batch` for the
    provider's Batch API. `evaluator_version_id` is set once it has been registered.
    """

    judge: str
    evaluator: str
    rubric: str
    provider: str
    model: str
    base_url: str
    secret_ref: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    policy: str
    concurrency: int = 8
    cache_days: int | None = None
    processing: Processing = "direct"
    is_enabled: bool = True
    evaluator_version_id: int | None = None

    @property
    def service_tier(self) -> str | None:
        """The price book's name of what is paid: `batch`, or None for the ordinary price."""
        return "batch" if self.processing == "batch" else None

    @property
    def spec(self) -> "JudgeSpec":
        """What it asks. Raises RubricError and JudgeError."""
        from evaluators.judging.judge import JudgeSpec
        from evaluators.judging.rubrics import parse_rubric

        if unknown := sorted(self.parameters.keys() - PARAMETERS.keys()):
            raise JudgeError(f"judge {self.judge}: there is no parameter {unknown[0]!r:.60}")
        rubric = parse_rubric(self.rubric, source=f"the rubric of judge {self.judge}")
        return JudgeSpec(rubric=rubric, model=self.model, base_url_ref=self.provider, **self.parameters)


def add_judge(connection: Connection[TupleRow], judge: Judge) -> Judge:
    """Add and register a judge. Raises JudgeError where it cannot be: a name in use, a second judge of one
    rubric (scores of two judges are two series), an unknown policy, a malformed URL or reference."""
    _check(judge)
    assert judge.spec.version
    given = {name: getattr(judge, name) for name in _GIVEN}
    try:
        with connection.transaction(), connection.cursor(row_factory=class_row(Judge)) as cursor:
            row = cursor.execute(ADD, {**given, "parameters": Jsonb(dict(judge.parameters))}).fetchone()
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "one_judge_an_evaluator":
            raise JudgeError(
                f"another judge is asked about {judge.evaluator}: disable it first (`lqo judges disable`)"
            ) from None
        raise JudgeError(f"there is a judge {judge.judge} already") from None
    except psycopg.errors.ForeignKeyViolation:
        raise JudgeError(f"there is no policy {judge.policy}") from None
    except psycopg.errors.CheckViolation as error:
        raise JudgeError(f"judge {judge.judge}: {error.diag.message_primary}") from None
    assert row is not None
    return register_judge(connection, row)


def list_judges(connection: Connection[TupleRow], *, only_enabled: bool = False) -> list[Judge]:
    """The judges by name."""
    query: LiteralString = f"""
        select {COLUMNS} from evaluation.judges where is_enabled or not %(only_enabled)s order by judge
    """
    with connection.transaction(), connection.cursor(row_factory=class_row(Judge)) as cursor:
        return cursor.execute(query, {"only_enabled": only_enabled}).fetchall()


def enable_judge(connection: Connection[TupleRow], name: str, *, is_enabled: bool) -> Judge:
    """Use the judge, or stop using it; what it said stays. A draft that is used is one no more.

    Raises JudgeError."""
    query: LiteralString = f"""
        update evaluation.judges set is_enabled = %(is_enabled)s, updated_at = now()
        where judge = %(judge)s returning {COLUMNS}
    """
    try:
        with connection.transaction(), connection.cursor(row_factory=class_row(Judge)) as cursor:
            row = cursor.execute(query, {"judge": name, "is_enabled": is_enabled}).fetchone()
            if row is not None and is_enabled:
                connection.execute(ACTIVATE, (row.evaluator_version_id,))
                if row.evaluator_version_id is not None:
                    follow(connection, row.evaluator_version_id)
    except psycopg.errors.UniqueViolation:
        raise JudgeError(f"another judge of the same rubric is enabled: disable it before {name}") from None
    if row is None:
        raise JudgeError(f"there is no judge {name!r:.80}")
    return row


def set_processing(connection: Connection[TupleRow], name: str, processing: Processing) -> Judge:
    """Ask the judge this way from now on. Raises JudgeError."""
    query: LiteralString = f"""
        update evaluation.judges set processing = %(processing)s, updated_at = now()
        where judge = %(judge)s returning {COLUMNS}
    """
    with connection.transaction(), connection.cursor(row_factory=class_row(Judge)) as cursor:
        row = cursor.execute(query, {"judge": name, "processing": processing}).fetchone()
    if row is None:
        raise JudgeError(f"there is no judge {name!r:.80}")
    return row


def register_judge(connection: Connection[TupleRow], judge: Judge) -> Judge:
    """The judge with the id of the version that it is now.

    A release that asks or reads differently makes another version of every judge: the old one is retired, and
    its scores stay its own. The same again changes nothing.
    """
    spec = judge.spec
    if judge.evaluator_version_id is not None:
        with connection.transaction():
            held = connection.execute(
                "select version from evaluation.evaluator_versions where id = %s",
                (judge.evaluator_version_id,),
            ).fetchone()
        if held == (spec.version,):
            return judge
    given = {
        "judge": judge.judge,
        "evaluator": judge.evaluator,
        "version": spec.version,
        "description": spec.rubric.title,
        "is_enabled": judge.is_enabled,
        "previous": judge.evaluator_version_id,
        "rubric": judge.rubric,
        "provider": judge.provider,
        "model": judge.model,
        "parameters": Jsonb(dict(judge.parameters)),
    }
    with writing(connection, relation="evaluation.judges"):
        added = connection.execute(ADD_VERSION, given).fetchone()
        if added is not None and judge.is_enabled:
            follow(connection, added[0])
    return next(each for each in list_judges(connection) if each.judge == judge.judge)


def rubric_text(name: str) -> tuple[str, "Rubric"]:
    """The Markdown of a shipped rubric (by name) or of a file, and what it says. Raises JudgeError."""
    from evaluators.judging.rubrics import RubricError, load_rubric, shipped_rubrics

    shipped = shipped_rubrics()
    if name in shipped:
        return (files("evaluators") / "rubrics" / f"{name}.md").read_text(encoding="utf-8"), shipped[name]
    if not name.endswith(".md"):
        raise JudgeError(
            f"there is no rubric {name!r:.80}; shipped are {', '.join(shipped)}, or give a file.md"
        )
    try:
        return Path(name).read_text(encoding="utf-8-sig"), load_rubric(Path(name))
    except (RubricError, OSError, UnicodeDecodeError) as error:
        raise JudgeError(" ".join(str(error).split())) from None


def parse_parameters(given: Sequence[str]) -> dict[str, Any]:
    """`name=value` pairs with JSON values (or bare words). Raises JudgeError."""
    found: dict[str, Any] = {}
    for pair in given:
        name, sign, text = pair.partition("=")
        if not sign or name not in PARAMETERS:
            raise JudgeError(f"{pair!r:.80}: parameters are NAME=VALUE, of {', '.join(sorted(PARAMETERS))}")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
        # A bool is an int to Python, and to nobody else.
        if type(found[name]) not in PARAMETERS[name]:
            raise JudgeError(f"{name} cannot be {text!r:.80}")
    return found


_GIVEN = (
    *("judge", "evaluator", "rubric", "provider", "model", "base_url", "secret_ref", "policy"),
    *("concurrency", "cache_days", "processing", "is_enabled"),
)


def _check(judge: Judge) -> None:
    checks = {
        "a name is a lower-case letter, then letters, digits, - and _": not NAME.fullmatch(judge.judge),
        "the base URL is http(s)://host/path, without a key in it": not URL.fullmatch(judge.base_url),
        "the secret is env:NAME or file:/path": judge.secret_ref is not None
        and not is_reference(judge.secret_ref),
        "it needs a provider and a model": not (judge.provider.strip() and judge.model.strip()),
        "the concurrency is between 1 and 1000": not 1 <= judge.concurrency <= 1_000,
        "cache days are 0 or more": judge.cache_days is not None and judge.cache_days < 0,
    }
    if problem := next((problem for problem, is_broken in checks.items() if is_broken), None):
        raise JudgeError(f"judge {judge.judge!r:.80}: {problem}")
