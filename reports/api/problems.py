"""Errors as RFC 9457 `application/problem+json` that say what is wrong."""

import logging
from http import HTTPStatus
from typing import Any, get_args

import msgspec
import psycopg
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap
from psycopg_pool import PoolTimeout

from reports.api.alert_port import RefusedError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error: `title` names its kind, `detail` says what is wrong with this request."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"


PROBLEMS = {
    status: ResponseSpec(Problem, generate_examples=False, description=description, media_type=MEDIA_TYPE)
    for status, description in {
        400: "A parameter is unknown or has no meaning; `detail` names it.",
        401: "A key of the proxy is needed.",
        403: "The key, or where the request comes from, does not allow it.",
        404: "There is no such thing.",
        405: "The path does not answer this method.",
        429: "Too many wrong keys came from this address.",
        503: "The warehouse does not answer, or not in time.",
    }.items()
}

ACTION_PROBLEMS = {
    **PROBLEMS,
    409: ResponseSpec(
        Problem,
        generate_examples=False,
        description="It is in no state for that: an alert that does not fire cannot be acknowledged.",
        media_type=MEDIA_TYPE,
    ),
    413: ResponseSpec(
        Problem, generate_examples=False, description="The body is too large.", media_type=MEDIA_TYPE
    ),
}


def problem(
    status: int, *, title: str, detail: str, headers: dict[str, str] | None = None
) -> Response[Problem]:
    """A problem as a response."""
    body = Problem(title=title, status=status, detail=detail)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def _refused(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    detail = error.detail
    if isinstance(error.extra, list) and error.extra:
        detail = "; ".join(_fault(request, item) for item in error.extra)
    return problem(error.status_code, title=_title(error), detail=detail, headers=error.headers)


def _impossible(_: Request[Any, Any, Any], error: RefusedError) -> Response[Problem]:
    titles = {400: "Validation", 404: "Not found", 409: "Not possible now"}
    return problem(error.status, title=titles[error.status], detail=str(error))


def _title(error: HTTPException) -> str:
    """`NotFoundException` as `Not found`; one without a class of its own by its status."""
    if type(error) is HTTPException:
        return HTTPStatus(error.status_code).phrase
    name = error.__class__.__name__.removesuffix("Exception")
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return words.strip().capitalize() or "Error"


def _fault(request: Request[Any, Any, Any], item: dict[str, Any]) -> str:
    key, message = str(item.get("key")), str(item.get("message"))
    allowed = _allowed(request, key) if message.startswith("Invalid enum value") else ()
    return f"{key}: {message}" + (f"; it may be {', '.join(allowed)}" if allowed else "")


def _allowed(request: Request[Any, Any, Any], key: str) -> tuple[str, ...]:
    """What a parameter of few values may be, as its handler declares it."""
    field = request.route_handler.parsed_fn_signature.parameters.get(key)
    return () if field is None else tuple(_choices(field.annotation))


def _choices(annotation: Any) -> list[str]:
    """The words of a `Literal`, also of an optional or repeated one."""
    parts = get_args(annotation)
    return [word for part in parts for word in ([part] if isinstance(part, str) else _choices(part))]


def _away(_: Request[Any, Any, Any], error: psycopg.OperationalError) -> Response[Problem]:
    detail = " ".join(str(error).split()) or error.__class__.__name__
    return problem(503, title="The warehouse does not answer", detail=detail)


def _busy(_: Request[Any, Any, Any], _error: PoolTimeout) -> Response[Problem]:
    detail = "no connection to the database was free in time: it is down, or too much is asked of it"
    return problem(503, title="The warehouse does not answer", detail=detail, headers={"Retry-After": "5"})


def _too_long(_: Request[Any, Any, Any], _error: psycopg.errors.QueryCanceled) -> Response[Problem]:
    detail = "the answer took longer than a query may: ask for fewer days, or filter by model or project"
    return problem(503, title="The question takes too long", detail=detail)


def _no_marts(_: Request[Any, Any, Any], _error: psycopg.Error) -> Response[Problem]:
    detail = "no day has been modelled: wait for a refresh or run `lqo backfill marts --from DAY --to DAY`"
    return problem(503, title="The marts are not built yet", detail=detail)


def _unfit(_: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    detail = f"a value cannot stand in the database: {' '.join(str(error).split())}"
    return problem(400, title="Validation", detail=detail)


def _broken(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    logger.error("%s could not be answered", request.url.path, exc_info=error)
    return problem(
        500, title="Internal error", detail="an error of the API itself; its log has the traceback"
    )


HANDLERS: ExceptionHandlersMap = {
    HTTPException: _refused,
    RefusedError: _impossible,
    PoolTimeout: _busy,
    psycopg.errors.QueryCanceled: _too_long,
    psycopg.errors.UndefinedTable: _no_marts,
    psycopg.errors.UndefinedColumn: _no_marts,
    psycopg.OperationalError: _away,
    psycopg.DataError: _unfit,
    UnicodeEncodeError: _unfit,
    Exception: _broken,
}
