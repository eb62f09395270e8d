"""What the answer to a batch says of each item."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from ingest.landing.result import Problem


def encode_results(results: Sequence[UUID | Problem]) -> bytes:
    """The answer's body: counts, and for each item its call's id or why it is rejected, in order."""
    rejected = sum(isinstance(each, Problem) for each in results)
    items = [_result(index, each) for index, each in enumerate(results)]
    return msgspec.json.encode({"accepted": len(results) - rejected, "rejected": rejected, "results": items})


def _result(index: int, result: UUID | Problem) -> dict[str, object]:
    if isinstance(result, UUID):
        return {"index": index, "status": "accepted", "call_id": result}
    # A reason may quote text that is no Unicode.
    reason = result.detail.encode("utf-8", "backslashreplace").decode()
    return {"index": index, "status": "rejected", "code": result.reason, "reason": reason}
