"""The JSON schema of rule files, which editors check against while one types."""

import json
from pathlib import Path

import msgspec

from orchestration.alerts.definition.model import RuleFile

SCHEMA = Path(__file__).resolve().parents[1] / "shipped" / "rules.schema.json"


def rule_schema() -> str:
    """The schema as text; `rules.schema.json` is this, and a test says so."""
    found = msgspec.json.schema(RuleFile)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **found}, indent=1) + "\n"
