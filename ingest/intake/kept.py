"""What may be kept of a call that was handed in: the same promise as for the proxy's own calls."""

import json
from typing import Any

import msgspec

from evaluators.masking import MaskingError
from ingest.call import Call
from ingest.proxy.ports import Keeping, Privacy

_NAMES = (
    "external_id",
    "environment",
    "session_id",
    "prompt_name",
    "prompt_version",
    "served_model",
    "error_type",
    "finish_reason",
)
_UNKNOWN_NAMES = {"endpoint": "unknown", "provider": "unknown", "requested_model": "unknown"}
LONGEST_PLAIN_TAG = 64
"""Characters: a name or an id fits, a prompt hardly ever."""


def keep_allowed(call: Call, *, privacy: Privacy) -> Call:
    """`call` with what its project lets be kept; the very same object where that is everything.

    Short of everything, tags stay only as numbers and short strings: what nobody declared may be text.
    """
    keeping = privacy.of(call.project)
    user_id = None if call.user_id is None else keeping.user(call.user_id)
    if user_id != call.user_id:
        call = msgspec.structs.replace(call, user_id=user_id)
    if keeping.keep == "full":
        return call
    tags = {name: value for name, value in call.tags.items() if _is_plain(value)}
    bare = msgspec.structs.replace(call, tags=tags, request=None, response=None)
    if keeping.keep == "text":
        return msgspec.structs.replace(bare, body_state="text")
    nothing = msgspec.structs.replace(
        bare, body_state="none", input_text=None, output_text=None, error_message=None
    )
    try:
        if keeping.keep == "none":
            return _with_masked_names(nothing, keeping=keeping)
        return _masked_call(call, _with_masked_names(bare, keeping=keeping), keeping=keeping)
    except MaskingError:
        return msgspec.structs.replace(nothing, tags={}, **dict.fromkeys(_NAMES), **_UNKNOWN_NAMES)


def line_of(call: Call) -> bytes:
    """The call as a line of the call record, which reads back as the same call."""
    bodies = {"request": _raw(call.request), "response": _raw(call.response)}
    fields = {
        name: value
        for name in call.__struct_fields__
        if name not in ("source", "request", "response") and (value := getattr(call, name)) is not None
    }
    try:
        return msgspec.json.encode({**fields, **{name: body for name, body in bodies.items() if body}})
    except UnicodeEncodeError:
        # Lone surrogates, which only escapes can say.
        texts = {name: body.decode("utf-8", "surrogateescape") for name, body in bodies.items() if body}
        plain = msgspec.to_builtins(fields) | {name: json.loads(text) for name, text in texts.items()}
        return json.dumps(plain).encode()


def _with_masked_names(bare: Call, *, keeping: Keeping) -> Call:
    """Names are free text, too, as far as anybody knows."""
    names = {
        name: keeping.mask(value)
        for name in (*_NAMES, *_UNKNOWN_NAMES)
        if (value := getattr(bare, name)) is not None
    }
    tags = {name: _masked(value, keeping=keeping) for name, value in bare.tags.items()}
    return msgspec.structs.replace(bare, tags=tags, **names)


def _masked_call(call: Call, bare: Call, *, keeping: Keeping) -> Call:
    return msgspec.structs.replace(
        bare,
        body_state="masked",
        request=keeping.mask_body(call.request) or None if call.request else None,
        response=keeping.mask_body(call.response) or None if call.response else None,
        input_text=_masked(call.input_text, keeping=keeping),
        output_text=_masked(call.output_text, keeping=keeping),
        error_message=_masked(call.error_message, keeping=keeping),
    )


def _masked(value: Any, *, keeping: Keeping) -> Any:
    return keeping.mask(value) if isinstance(value, str) else value


def _raw(body: bytes | None) -> msgspec.Raw | None:
    return msgspec.Raw(body) if body else None


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (
        isinstance(value, str) and len(value) <= LONGEST_PLAIN_TAG
    )
