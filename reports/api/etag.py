"""Answers to GET with an ETag of their body: who asks again with it gets 304 where nothing has changed."""

from hashlib import sha256
from typing import Any, TypeVar

from litestar import Request, Response
from litestar.datastructures import ETag
from litestar.response.base import ASGIResponse

T = TypeVar("T")

# The answer may be kept, but not used without asking, and by nobody but who asked: keys see different things.
_CACHE_CONTROL = "private, no-cache"


class TaggedResponse(Response[T]):
    """The response class of the app. The tag is weak: the same answer may go out packed or plain."""

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **options: Any) -> ASGIResponse:
        plain = super().to_asgi_response(app, request, **options)
        if plain.status_code != 200 or request.method not in ("GET", "HEAD"):
            return plain
        tag = ETag(value=sha256(plain.body).hexdigest()[:32], weak=True).to_header()
        headers = {"etag": tag, "cache-control": _CACHE_CONTROL}
        if _has(request.headers.get("if-none-match", ""), tag=tag):
            return ASGIResponse(status_code=304, headers=headers)
        for name, value in headers.items():
            plain.headers[name] = value
        return plain


def _has(header: str, *, tag: str) -> bool:
    """Whether an `If-None-Match` names `tag`; compared weakly, as RFC 9110 asks for it."""
    named = [part.strip() for part in header.split(",")]
    return "*" in named or tag.removeprefix("W/") in (part.removeprefix("W/") for part in named)
