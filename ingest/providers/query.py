"""A key in a query, as Gemini takes it (`?key=…`): it must reach the provider and neither spool nor logs."""

from urllib.parse import unquote_plus, unquote_to_bytes


def split_key(query: str) -> tuple[str, str]:
    """The query without its `key` parameters, and these; both byte for byte."""
    if "key" not in query and "%" not in query:
        return query, ""
    parts = query.split("&")
    keys = [part for part in parts if unquote_plus(part.partition("=")[0]) == "key"]
    rest = [part for part in parts if part not in keys]
    return "&".join(rest), "&".join(keys)


def key_in(query: str) -> bytes | None:
    """The key that a query holds, unquoted; None where it holds none."""
    value = split_key(query)[1].partition("&")[0].partition("=")[2]
    return unquote_to_bytes(value.replace("+", " ")).strip() or None
