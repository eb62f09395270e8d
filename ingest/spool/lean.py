"""Records with and without the bytes that make them large."""

import msgspec

from ingest.spool.records import Delivery, End, Feedback, Part, Record, Start, Stored

_encode_lines = msgspec.msgpack.Encoder().encode
_decode_lines = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode


def stored_of(record: Record) -> Stored | None:
    """Where the record's large body stands, if it is not in the record."""
    return None if isinstance(record, Feedback) else record.stored


def body_size(record: Record) -> int:
    """Bytes of what makes a record large: request, response, or the lines of a delivery."""
    if isinstance(record, Start):
        return len(record.request)
    if isinstance(record, Part | End):
        return len(record.response)
    return sum(map(len, record.lines)) if isinstance(record, Delivery) else 0


def body_of(record: Record) -> bytes:
    """These bytes, as `with_body` takes them back."""
    if isinstance(record, Start):
        return record.request
    if isinstance(record, Part | End):
        return record.response
    return _encode_lines(record.lines) if isinstance(record, Delivery) else b""


def with_body(record: Record, body: bytes) -> Record:
    """The record whose body was stored, whole again. Raises msgspec.DecodeError for lines that are none."""
    if isinstance(record, Start):
        return msgspec.structs.replace(record, request=body, stored=None)
    if isinstance(record, Part | End):
        return msgspec.structs.replace(record, response=body, stored=None)
    if isinstance(record, Delivery):
        return msgspec.structs.replace(record, lines=_decode_lines(body), stored=None)
    return record


def with_stored(record: Record, stored: Stored) -> Record:
    """The record without its body, which stands elsewhere."""
    if isinstance(record, Start):
        return msgspec.structs.replace(record, request=b"", stored=stored)
    if isinstance(record, Part | End):
        return msgspec.structs.replace(record, response=b"", stored=stored)
    if isinstance(record, Delivery):
        return msgspec.structs.replace(record, lines=(), stored=stored)
    return record


def shed(record: Start | Part | End) -> Start | Part | End:
    """What is kept of a record where there is no room for its bytes: facts and usage, flagged `shed`."""
    if isinstance(record, Start):
        return msgspec.structs.replace(record, request=b"", input_text=None, body_state="shed", stored=None)
    if isinstance(record, Part):
        return msgspec.structs.replace(record, response=b"", stored=None)
    said = None if record.said is None else msgspec.structs.replace(record.said, output_text=None)
    return msgspec.structs.replace(record, response=b"", said=said, body_state="shed", stored=None)
