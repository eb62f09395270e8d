"""One POST against servers that answer, refuse, redirect, hang, drip and hang up."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from orchestration.alerts.delivery.channel import Reply
from orchestration.alerts.delivery.http import post, retry_seconds, why_not


@contextmanager
def answering(*chunks: bytes, pause: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads one request and says the chunks, `pause` seconds apart; none: it hangs."""
    seen: list[bytes] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += client.recv(65_536)
                seen.append(head)
                try:
                    for chunk in chunks:
                        client.sendall(chunk)
                        done.wait(pause)
                except OSError:
                    return
                if not chunks:
                    done.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook", seen
        finally:
            done.set()
            thread.join()


def send(url: str, **given: float) -> Reply:
    return post(url, body=b"{}", headers={"Idempotency-Key": "k"}, **given)  # pyright: ignore[reportArgumentType]


def answer(status: str, *headers: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


def test_an_answer_is_told_in_its_own_words() -> None:
    with answering(answer("200 OK", body="ok")) as (url, seen):
        assert send(url) == Reply(200, "", answer="ok")
    assert b"Idempotency-Key: k" in seen[0].replace(b"Idempotency-key", b"Idempotency-Key")


@pytest.mark.parametrize(
    ("status", "is_final", "is_uncertain"),
    [
        ("400 Bad Request", True, False),
        ("403 Forbidden", True, False),
        ("404 Not Found", True, False),
        ("410 Gone", True, False),
        ("429 Too Many Requests", False, False),
        ("500 Internal Server Error", False, False),
        ("503 Service Unavailable", False, False),
        ("504 Gateway Timeout", False, True),
    ],
)
def test_a_status_says_whether_another_try_helps(status: str, is_final: bool, is_uncertain: bool) -> None:
    with answering(answer(status, "Retry-After: 7", body="no\nservice")) as (url, _):
        reply = send(url)
    assert (reply.is_final, reply.is_uncertain, reply.retry_after) == (is_final, is_uncertain, 7.0)
    assert reply.detail == f"HTTP {status[:3]}: no service"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with answering(answer(f"{status} Moved", "Location: http://127.0.0.1:1/elsewhere")) as (url, _):
        reply = send(url)
    assert (reply.status, reply.is_final) == (status, False)
    assert "redirects are not followed" in reply.detail


def test_a_server_that_hangs_ends_the_try_and_leaves_it_uncertain() -> None:
    with answering() as (url, _):
        reply = send(url, timeout=0.2)
    assert reply.status == 0 and reply.is_uncertain


def test_a_server_that_drips_its_head_ends_the_try() -> None:
    drips = [bytes([one]) for one in b"HTTP/1.1 200 " + b"slow" * 50]
    with answering(*drips, pause=0.05) as (url, _):
        reply = send(url, timeout=0.3)
    assert reply.status == 0 and reply.is_uncertain


def test_a_server_that_hangs_up_leaves_it_uncertain() -> None:
    with answering(b"") as (url, _):
        assert send(url).is_uncertain


def test_a_server_that_is_away_has_not_got_it() -> None:
    reply = send("http://127.0.0.1:1/hook")
    assert reply.status == 0 and reply.detail and not reply.is_uncertain


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/hook", "plain http"),
        ("http://127.0.0.1.example.com/hook", "plain http"),
        ("https://user:pass@example.com/", "user name or password"),
        ("ftp://example.com/", "not an http"),
        ("file:///etc/passwd", "not an http"),
        ("https://", "not an http"),
        ("https://[::1/", "not an http"),
        ("https://example.com:0/", "not an http"),
        ("https://example.com/T0/SECR ET", "not an http"),
        ("https://example.com/T0/SECR\nET", "not an http"),
        ("https://example.com/T0/SECR\u00e9T", "not an http"),
    ],
)
def test_where_nothing_is_posted(url: str, words: str) -> None:
    assert words in (why_not(url, allow_http=False) or "")
    assert send(url).detail == why_not(url, allow_http=False)
    assert "SECR" not in send(url).detail


@pytest.mark.parametrize(
    "url", ["http://localhost:1/", "http://127.0.0.9/", "http://[::1]/", "https://a.example/"]
)
def test_where_something_is(url: str) -> None:
    assert why_not(url, allow_http=False) is None
    assert why_not("http://inside.example/", allow_http=True) is None


def test_patience_is_asked_for_in_seconds_or_by_a_date() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert retry_seconds("1.5") == 1.5
    assert retry_seconds("Sun, 22 Nov 2026 12:02:00 GMT", now=now) == 120
    assert retry_seconds("Sun, 22 Nov 2026 11:00:00 GMT", now=now) == 0
    assert retry_seconds("soon") is None and retry_seconds(None) is None and retry_seconds("-3") is None
