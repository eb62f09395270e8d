"""Requests that tests send to a running proxy."""

import json
from typing import Any

import aiohttp

CHAT = "/v1/chat/completions"
KEY = "sk-test-abcdefghijklmnopqrstuvwxyz-0123456789"
MESSAGES: Any = [{"role": "user", "content": "안녕 🎈?"}]


def body_of(model: str, **more: Any) -> bytes:
    return json.dumps({"model": model, "messages": MESSAGES, **more}, ensure_ascii=False).encode()


async def post(
    http: aiohttp.ClientSession, url: str, body: bytes, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    sent = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.post(f"{url}/v1/chat/completions", data=body, headers=sent) as response:
        return response.status, {k.lower(): v for k, v in response.headers.items()}, await response.read()
