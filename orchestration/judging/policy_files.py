"""Policies in a YAML file: a mapping of names to fields."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

from orchestration.judging.policies import LISTS, Policy, PolicyError

_LARGEST_FILE = 1 << 20


def read_policies(path: Path) -> list[Policy]:
    """The policies of a YAML file: a mapping of name to fields. Raises PolicyError, naming file and field."""
    import yaml

    try:
        with path.open("rb") as file:
            document = yaml.safe_load(file.read(_LARGEST_FILE).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise PolicyError(f"{path}: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(document, dict):
        raise PolicyError(f"{path}: must be a mapping of policies by name")
    try:
        return [policy_of(str(name), said) for name, said in cast("dict[object, object]", document).items()]
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from None


def policy_of(name: str, said: object) -> Policy:
    """The policy that a mapping of its fields is. Raises PolicyError for unknown fields and odd values."""
    if said is not None and not isinstance(said, Mapping):
        raise PolicyError(f"policy {name!r:.80}: must be a mapping of fields")
    given = cast("dict[str, Any]", dict(said or {}))
    known = {field.name for field in fields(Policy)} - {"policy"}
    if unknown := sorted(str(field) for field in given if field not in known):
        raise PolicyError(f"policy {name!r:.80}: there is no field {unknown[0]!r:.80}")
    return Policy(policy=name, **{field: _value(name, field, value) for field, value in given.items()})


_NEVER_NULL = frozenset({"rate", "on_failure", "strata", "min_per_stratum"})
_COUNTS = ("min_per_stratum", "max_calls_per_day", "max_calls_per_backfill")


def _value(name: str, field: str, value: object) -> Any:
    """A YAML value as the field's type."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None and field not in _NEVER_NULL:
        return None
    if field in LISTS and isinstance(value, list):
        return tuple(str(each) for each in cast("list[object]", value))
    if field in _COUNTS and type(value) is int:
        return value
    if field == "rate" and is_number:
        return float(cast("float", value))
    if field.startswith("max_usd") and (is_number or isinstance(value, str)):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            pass
    if (field == "on_failure" and isinstance(value, bool)) or (
        field == "applies_from" and type(value) is date
    ):
        return value
    raise PolicyError(f"policy {name!r:.80}: {field} cannot be {value!r:.80}")
