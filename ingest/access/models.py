"""The table of models: what `lqo models` reads and changes. Each change is one transaction."""

import math
from collections.abc import Mapping
from typing import Any, Final, LiteralString, get_args
from urllib.parse import urlsplit

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow, class_row

from ingest.access.secrets import is_reference
from ingest.access.snapshot import ModelRow
from ingest.providers.base import Wire
from ingest.providers.catalogue import BaseUrls, build_providers, normal_base_url

WIRES: Final[tuple[str, ...]] = get_args(Wire)
NATIVE: Final[Mapping[str, Wire]] = {"anthropic": "anthropic", "google": "gemini", "azure": "azure"}
"""The native protocol of providers that have one; all others speak OpenAI's."""
ALSO_CALLED: Final[Mapping[str, str]] = {"gemini": "google", "claude": "anthropic", "xai": "x-ai"}
"""Names under which no price is found, and the one under which it is."""
URL_OF: Final[Mapping[tuple[str, str], str]] = {
    **{(each.name, each.wire): each.base_url for each in build_providers(BaseUrls()) if each.wire != "azure"},
    ("anthropic", "openai"): "https://api.anthropic.com/v1",
    ("google", "openai"): "https://generativelanguage.googleapis.com/v1beta/openai",
    ("cerebras", "openai"): "https://api.cerebras.ai/v1",
    ("deepseek", "openai"): "https://api.deepseek.com/v1",
    ("fireworks", "openai"): "https://api.fireworks.ai/inference/v1",
    ("groq", "openai"): "https://api.groq.com/openai/v1",
    ("mistral", "openai"): "https://api.mistral.ai/v1",
    ("openrouter", "openai"): "https://openrouter.ai/api/v1",
    ("together", "openai"): "https://api.together.xyz/v1",
    ("x-ai", "openai"): "https://api.x.ai/v1",
}
"""Where providers are that say so in their documentation, by name and protocol."""

_COLUMNS: LiteralString = """
    alias, position, tier, provider, wire, model, base_url, secret_ref, weight, is_enabled, deadline_seconds,
    max_requests_per_minute, max_tokens_per_minute
"""
_MOST = 2**31 - 1
_LONGEST_DEADLINE = 3600.0


class ModelsError(ValueError):
    """The table cannot be changed so; the message is one line."""


def list_models(connection: Connection[TupleRow], alias: str | None = None) -> list[ModelRow]:
    """The targets in order of trial; of one alias, or all. Raises ModelsError for an unknown alias."""
    query = sql.SQL("select {} from access.llm_models {} order by alias, tier, position")
    chosen = sql.SQL("" if alias is None else "where alias = %(alias)s")
    with connection.cursor(row_factory=class_row(ModelRow)) as cursor:
        rows = cursor.execute(query.format(sql.SQL(_COLUMNS), chosen), {"alias": alias}).fetchall()
    if alias is not None and not rows:
        raise ModelsError(f"there is no model {alias!r}; `lqo models list` shows all")
    return rows


def add_model(
    connection: Connection[TupleRow],
    alias: str,
    *,
    provider: str,
    model: str,
    wire: str | None = None,
    base_url: str | None = None,
    position: int | None = None,
    tier: int | None = None,
    **given: Any,
) -> ModelRow:
    """Add a target; by default as the last fallback of its alias.

    `wire` and `base_url` default to those of the alias's provider, if it is known. Raises ModelsError.
    """
    with connection.transaction():
        others = _locked(connection, alias, must_exist=False)
        provider = ALSO_CALLED.get(provider, provider)
        spoken = wire or NATIVE.get(provider, "openai")
        row = {
            "alias": alias,
            "position": position or max((each.position for each in others), default=0) + 1,
            "tier": tier or max((each.tier for each in others), default=0) + 1,
            "provider": provider,
            "wire": spoken,
            "model": model,
            "base_url": _base_url(base_url, provider=provider, wire=spoken),
            **{name: value for name, value in given.items() if value is not None},
        }
        if any(each.position == row["position"] for each in others):
            raise ModelsError(f"{alias} has a target {row['position']} already; `lqo models set` changes it")
        _check(row, others=others)
        names = sql.SQL(", ").join(map(sql.Identifier, row))
        values = sql.SQL(", ").join(map(sql.Placeholder, row))
        statement = sql.SQL("insert into access.llm_models ({}) values ({})")
        _execute(connection, statement.format(names, values), row)
        return _one(connection, alias, position=int(row["position"]))


def set_model(
    connection: Connection[TupleRow], alias: str, *, position: int | None = None, **given: Any
) -> ModelRow:
    """Change what is given of one target (`position` may be left out where the alias has only one).

    An empty text or a 0 takes an optional value away. Raises ModelsError.
    """
    changes = {name: value for name, value in given.items() if value is not None}
    with connection.transaction():
        targets = _locked(connection, alias)
        target = _chosen(targets, position=position)
        if not changes:
            raise ModelsError("nothing to change was said")
        _take_away(changes)
        if "provider" in changes:
            changes["provider"] = ALSO_CALLED.get(changes["provider"], changes["provider"])
        others = [each for each in targets if each is not target]
        provider, wire = changes.get("provider", target.provider), changes.get("wire", target.wire)
        if "base_url" in changes or "wire" in changes:
            changes["base_url"] = _base_url(changes.get("base_url"), provider=provider, wire=wire)
        _check({**_row(target), **changes}, others=others)
        _update(connection, target, changes)
        return _one(connection, alias, position=target.position)


def switch_model(
    connection: Connection[TupleRow], alias: str, *, position: int | None = None, model: str | None = None
) -> ModelRow:
    """Send the alias's calls to one of its targets first; the others follow in the order they have."""
    with connection.transaction():
        targets = _locked(connection, alias)
        found = [each for each in targets if model is None or each.model == model]
        if not found:
            raise ModelsError(f"{alias} has no target with the model {model!r}; add it first")
        first = _chosen(found, position=position)
        if not first.is_enabled:
            raise ModelsError(f"{alias}/{first.position} is disabled; enable it first")
        # Who shared the load goes on to share it, one tier further back.
        tiers = sorted({each.tier for each in targets if each is not first})
        for each in targets:
            _update(connection, each, {"tier": 1 if each is first else tiers.index(each.tier) + 2})
        return _one(connection, alias, position=first.position)


def enable_model(
    connection: Connection[TupleRow], alias: str, *, position: int | None = None, is_enabled: bool
) -> list[ModelRow]:
    """Enable or disable one target, or all of an alias; what they now are."""
    with connection.transaction():
        targets = _locked(connection, alias)
        chosen = targets if position is None else [_chosen(targets, position=position)]
        for each in chosen:
            _update(connection, each, {"is_enabled": is_enabled})
        return [_one(connection, alias, position=each.position) for each in chosen]


def remove_model(
    connection: Connection[TupleRow], alias: str, *, position: int | None = None
) -> list[ModelRow]:
    """Take one target, or the whole alias, out of the table; what was taken."""
    with connection.transaction():
        targets = _locked(connection, alias)
        chosen = targets if position is None else [_chosen(targets, position=position)]
        connection.execute(
            "delete from access.llm_models where alias = %s and position = any(%s)",
            (alias, [each.position for each in chosen]),
        )
        return chosen


def _locked(connection: Connection[TupleRow], alias: str, *, must_exist: bool = True) -> list[ModelRow]:
    """The alias's targets, while nobody else changes the table."""
    connection.execute("lock table access.llm_models in share row exclusive mode")
    try:
        return list_models(connection, alias)
    except ModelsError:
        if must_exist:
            raise
        return []


def _chosen(targets: list[ModelRow], *, position: int | None) -> ModelRow:
    alias = targets[0].alias
    if position is None:
        if len(targets) > 1:
            listed = ", ".join(f"{each.position} ({each.model})" for each in targets)
            raise ModelsError(f"{alias} has several targets, say which: {listed}")
        return targets[0]
    found = next((each for each in targets if each.position == position), None)
    if found is None:
        raise ModelsError(f"{alias} has no target {position}")
    return found


def _one(connection: Connection[TupleRow], alias: str, *, position: int) -> ModelRow:
    return _chosen(list_models(connection, alias), position=position)


def _row(target: ModelRow) -> dict[str, Any]:
    return {name: getattr(target, name) for name in target.__struct_fields__}


def _update(connection: Connection[TupleRow], target: ModelRow, changes: Mapping[str, Any]) -> None:
    pairs = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changes]
    statement = sql.SQL(
        "update access.llm_models set {}, updated_at = now()"
        " where alias = %(alias_now)s and position = %(position_now)s"
    )
    _execute(
        connection,
        statement.format(sql.SQL(", ").join(pairs)),
        {**changes, "alias_now": target.alias, "position_now": target.position},
    )


def _execute(connection: Connection[TupleRow], statement: sql.Composed, values: Mapping[str, Any]) -> None:
    try:
        connection.execute(statement, values)
    except (psycopg.errors.IntegrityError, psycopg.DataError) as error:
        raise ModelsError(f"the database refuses: {error.diag.message_primary or error}") from error


def _take_away(changes: dict[str, Any]) -> None:
    """Values that say 'none any more'."""
    optional = ("secret_ref", "deadline_seconds", "max_requests_per_minute", "max_tokens_per_minute")
    for name in optional:
        if name in changes and not changes[name]:
            changes[name] = None


def _base_url(given: str | None, *, provider: str, wire: str) -> str:
    if wire not in WIRES:
        raise ModelsError(f"the protocol must be one of {', '.join(WIRES)}, not {wire!r}")
    url = given or URL_OF.get((provider, wire))
    if url is None:
        raise ModelsError(f"say the base URL of {provider} as its SDK takes it (--base-url)")
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable, parts = False, urlsplit("")
    if not is_usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ModelsError(f"{url!r} is no http or https URL")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ModelsError("a base URL holds neither login nor query; the key goes into --secret")
    return normal_base_url(url, wire=wire)  # pyright: ignore[reportArgumentType]


def _check(row: Mapping[str, Any], *, others: list[ModelRow]) -> None:
    """Raise ModelsError for a target that no proxy could use."""
    for name, longest in (("alias", 200), ("provider", 100), ("model", 200)):
        text: str = row[name]
        if not text or len(text) > longest or not text.isprintable() or " " in text:
            raise ModelsError(f"{name} must be 1 to {longest} printable characters without spaces")
    reference = row.get("secret_ref")
    if reference is not None and not is_reference(reference):
        # Not repeated: it may be the secret itself.
        raise ModelsError("a secret is given as env:NAME or file:/absolute/path, never itself")
    for name in ("position", "tier", "weight", "max_requests_per_minute", "max_tokens_per_minute"):
        number = row.get(name)
        if number is not None and not 0 < number <= _MOST:
            raise ModelsError(f"{name.replace('_', ' ')} must be 1 to {_MOST}")
    deadline = row.get("deadline_seconds")
    if deadline is not None and not (math.isfinite(deadline) and 0 < deadline <= _LONGEST_DEADLINE):
        raise ModelsError(f"a deadline is above 0 and at most {_LONGEST_DEADLINE:.0f} seconds")
    spoken = {each.wire for each in others} - {row["wire"]}
    if spoken:
        theirs = spoken.pop()
        hint = (
            f"; --wire {theirs} reaches {row['provider']} so" if (row["provider"], theirs) in URL_OF else ""
        )
        raise ModelsError(
            f"the targets of {row['alias']} speak the {theirs} protocol, this one {row['wire']}, and a call"
            f" falls back only inside one{hint}"
        )
