"""The id a provider gives its answer: what tells one call seen twice, by the proxy and in a trace."""

import re

RESPONSE_ID_TAG = "lqo.response_id"
LONGEST_ID = 200
_HEAD, _TAIL = 2048, 2048
_ID = re.compile(rb'"(?:id|responseId)"\s*:\s*"([^"\\]{1,200})"')
_LAST_ID = re.compile(rb'"responseId"\s*:\s*"([^"\\]{1,200})"')


def response_id_of(response: bytes) -> str | None:
    """The id at the beginning of an answer, plain or streamed, or Gemini's `responseId` at its end.

    Looked up without reading the whole: `chatcmpl-…`, `resp_…` and `msg_…` stand in the first bytes.
    """
    found = _ID.search(response, 0, _HEAD) or _LAST_ID.search(response, max(0, len(response) - _TAIL))
    return None if found is None else found[1].decode("utf-8", "replace")
