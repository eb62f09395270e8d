"""The service tier that a landed call states beside its usage: SQL over `raw.llm_calls as calls`."""

from typing import LiteralString

ANSWERED: LiteralString = "calls.tags ->> 'lqo.service_tier'"
"""The tier of the answer, as the proxy or an importer read it."""


def stated_tier(answered: LiteralString = ANSWERED) -> LiteralString:
    """The expression; `answered` is null for an attempt that is not the one answered.

    Who hands a call in may state a tier by a tag; a client of the proxy may not, or it would choose
    its own price.
    """
    return f"""
    case
        when calls.source = 'proxy' then {answered}
        when lower(calls.tags ->> 'service_tier') = 'batch' then 'batch'
        else coalesce({answered}, calls.tags ->> 'service_tier', calls.tags ->> 'openai.service_tier')
    end
    """
