"""A JSON message with one file, as multipart/form-data (RFC 7578), which Discord asks for."""

from hashlib import sha256


def multipart(payload: bytes, *, name: str, content: bytes, kind: str = "image/png") -> tuple[bytes, str]:
    """The body and its Content-Type. The boundary follows from the content, so a repeat is the same bytes."""
    boundary = f"lqo-{sha256(payload + content).hexdigest()}"
    parts = (
        _part(boundary, 'name="payload_json"', "application/json", payload),
        _part(boundary, f'name="files[0]"; filename="{name}"', kind, content),
        f"--{boundary}--\r\n".encode(),
    )
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def _part(boundary: str, name: str, kind: str, content: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\nContent-Type: {kind}\r\n\r\n"
    return head.encode() + content + b"\r\n"
