"""Where a model is asked: an alias of `access.llm_models`, or a base URL that was given."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.items import Message
from ingest.access.models import ModelsError, list_models
from ingest.access.secrets import Missing, is_reference, read_secret
from ingest.providers.openai import openai_provider
from orchestration.comparison.items import EvalItem, digest_of

# No request can carry a lone surrogate.
_SURROGATE = re.compile("[\ud800-\udfff]")


class EndpointUnknownError(ValueError):
    """Nobody said where a model is, or it cannot be asked; the message is one line without any secret."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model as one side of a comparison asks it. `base_url` is as an OpenAI SDK takes it.

    `name` is what the person called it, `secret_ref` where the key is (None sends none). `parameters` are
    further members of each request.
    """

    name: str
    provider: str
    model: str
    base_url: str
    secret_ref: str | None = None
    parameters: tuple[tuple[str, Any], ...] = ()

    def body(self, messages: Sequence[Message]) -> dict[str, Any]:
        """The request for the next answer of a conversation."""
        turns = [{"role": each.role, "content": _SURROGATE.sub("\ufffd", each.text)} for each in messages]
        return {"model": self.model, "messages": turns, **dict(self.parameters)}

    def request_hash(self, item: EvalItem) -> bytes:
        """SHA-256 (32 bytes) over all that decides what the item is answered, and who bills it."""
        asked = item.prompt_hash.hex()
        return digest_of(["asked", self.provider, self.base_url, self.model, dict(self.parameters), asked])

    def api_key(self) -> str | None:
        """The key as it stands now. Raises EndpointUnknownError where its reference gives none."""
        if self.secret_ref is None:
            return None
        found = read_secret(self.secret_ref)
        if isinstance(found, Missing):
            raise EndpointUnknownError(f"{self.name}: {found.reason}")
        return found.value


def find_endpoint(
    connection: Connection[TupleRow],
    name: str,
    *,
    base_url: str | None,
    secret_ref: str | None,
    parameters: Mapping[str, Any] | None = None,
) -> Endpoint:
    """The endpoint of a model: at `base_url` where one is given, else the first enabled target of the alias.

    Raises EndpointUnknownError where there is neither, or the alias speaks no OpenAI.
    """
    if secret_ref is not None and not is_reference(secret_ref):
        # Not repeated: it may be the secret itself.
        raise EndpointUnknownError("a secret is given as env:NAME or file:/absolute/path, never itself")
    given = tuple(sorted((parameters or {}).items()))
    if base_url is not None:
        provider = openai_provider(_checked(base_url))
        return Endpoint(name, provider.name, name, provider.base_url, secret_ref, given)
    try:
        targets = [row for row in list_models(connection, name) if row.is_enabled]
    except ModelsError:
        raise EndpointUnknownError(
            f"where is {name}? It is no alias (`lqo models add`); else give its base URL"
        ) from None
    if not targets:
        raise EndpointUnknownError(f"all targets of {name} are disabled")
    first = targets[0]
    if first.wire != "openai":
        raise EndpointUnknownError(
            f"{name} speaks {first.wire}; give the base URL of its OpenAI-compatible endpoint"
        )
    secret = secret_ref or first.secret_ref
    return Endpoint(name, first.provider, first.model, first.base_url, secret, given)


def _checked(url: str) -> str:
    is_url = url.startswith(("http://", "https://")) and url.isprintable() and " " not in url
    if not is_url or "@" in url:
        raise EndpointUnknownError(f"{url[:100]!r} is no http or https URL without a login")
    return url
