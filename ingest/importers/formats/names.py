"""Names that several formats need: who provides a model, what a score is called here."""

import re
from functools import lru_cache
from hashlib import sha256

from ingest.importers.canonical import UNKNOWN

_PROVIDERS = frozenset(
    (
        *("openai", "anthropic", "google", "azure", "aws", "mistral", "cohere", "groq", "deepseek"),
        *("together", "fireworks", "openrouter", "perplexity", "x-ai", "ollama", "cerebras", "novita"),
    )
)
_ALIASES = {
    "azure_ai": "azure",
    "azureopenai": "azure",
    "bedrock": "aws",
    "gemini": "google",
    "vertex_ai": "google",
    "google_vertexai": "google",
    "google_genai": "google",
    "googlevertexai": "google",
    "mistralai": "mistral",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "fireworksai": "fireworks",
    "together_ai": "together",
    "togetherai": "together",
    "text-completion-openai": "openai",
    "custom_openai": UNKNOWN,
    "custom": UNKNOWN,
    "xai": "x-ai",
    "x": "x-ai",
}
"""Names of other tools whose provider has another name in price lists."""
_FAMILIES = re.compile(
    r"(?P<openai>(?:ft:)?(?:gpt-|chatgpt-|o[1-9](?:-|$)|text-embedding-|davinci|dall-e))"
    r"|(?P<anthropic>claude-)|(?P<google>gemini-|text-bison|embedding-gecko)"
    r"|(?P<mistral>mistral-|codestral-|ministral-|pixtral-)|(?P<cohere>command-)|(?P<deepseek>deepseek-)"
)
_NO_NAME = re.compile(r"[^\w.:-]+", re.ASCII)
_LONGEST_NAME = 150


@lru_cache(maxsize=1024)
def provider_named(name: str) -> str:
    """A tool's word for a provider, as price lists have it."""
    low = name.strip().lower()
    return _ALIASES.get(low, low) or UNKNOWN


@lru_cache(maxsize=4096)
def provider_of_model(model: str) -> str:
    """The provider of a model's name: its prefix (`anthropic/…`), else its family's own; else unknown.

    A guess for logs that do not say: the same model may be served by others, at other prices.
    """
    prefix, slash, _ = model.partition("/")
    if slash and (named := provider_named(prefix)) in _PROVIDERS:
        return named
    found = _FAMILIES.match(model.lower())
    return UNKNOWN if found is None or found.lastgroup is None else found.lastgroup


@lru_cache(maxsize=1024)
def evaluator_named(tool: str, name: str) -> str:
    """What a tool's score is called as an evaluator here: `<tool>.<name>`.

    Characters that no evaluator has become `_`; a hash then keeps different names apart.
    """
    plain = _NO_NAME.sub("_", name)
    if plain == name and 0 < len(name) <= _LONGEST_NAME:
        return f"{tool}.{name}"
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{tool}.{plain[:_LONGEST_NAME].strip('_') or 'score'}-{digest}"
