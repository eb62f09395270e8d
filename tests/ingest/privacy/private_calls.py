"""Calls full of personal data, in each dialect, and what of them stands in a spool's files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

KEY = "sk-secret-0123456789abcdefghij-client"
SECRETS = (
    "kim.hong@naver.com",
    "010-1234-5678",
    "4111 1111 1111 1111",
    "900101-1234568",
    "GB82 WEST 1234 5698 7654 32",
)
PROMPT = "저는 홍길동, " + ", ".join(SECRETS) + " 입니다 👋"
BESIDE = {
    "x-lqo-user": "kim.hong@naver.com",
    "x-lqo-session": "call 010-1234-5678",
    "x-lqo-tags": json.dumps({"who": "kim.hong@naver.com", "team": "a"}),
    "x-lqo-prompt-name": "greet 900101-1234568",
    "x-lqo-trace": "4111 1111 1111 1111",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: where to, with which body, its key in which header (or in the query)."""

    path: str
    body: dict[str, Any]
    key_header: str | None

    @property
    def headers(self) -> dict[str, str]:
        key = f"Bearer {KEY}" if self.key_header == "authorization" else KEY
        return {} if self.key_header is None else {self.key_header: key}


def ask(wire: str, *, model: str = "m", prompt: str = PROMPT) -> Ask:
    """`openai`, `anthropic`, `gemini`, each plain or with `-stream`; `gemini-array` streams without SSE."""
    name, _, form = wire.partition("-")
    if name == "gemini":
        method = "streamGenerateContent" if form else "generateContent"
        query = f"?key={KEY}" + ("&alt=sse" if form == "stream" else "")
        body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
        return Ask(f"/v1beta/models/{model}:{method}{query}", body, None)
    messages = [{"role": "user", "content": prompt}]
    body = {"model": model, "messages": messages, "stream": bool(form), "max_tokens": 9}
    if name == "anthropic":
        return Ask("/v1/messages", body, "x-api-key")
    return Ask("/v1/chat/completions", body, "authorization")


async def send(http: aiohttp.ClientSession, url: str, asked: Ask, **headers: str) -> tuple[int, bytes]:
    body = json.dumps(asked.body, ensure_ascii=False).encode()
    given = asked.headers | BESIDE | {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.post(url + asked.path, data=body, headers=given) as response:
        return response.status, await response.read()


def on_disk(home: Path) -> bytes:
    """Every byte of every file of a home."""
    return b"\0".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())


def found_in(data: bytes, *, secrets: tuple[str, ...] = (*SECRETS, KEY)) -> list[str]:
    """The secrets that stand in these bytes, as they are, escaped, or by their halves."""
    found: list[str] = []
    for secret in secrets:
        halves = (secret, secret[: len(secret) // 2 + 3], secret[-len(secret) // 2 - 2 :])
        forms = [form for half in halves for form in (half, json.dumps(half)[1:-1], half.replace(" ", "+"))]
        if any(form.encode() in data for form in forms):
            found.append(secret)
    return found
