"""Requests to the endpoints that take something in."""

import json
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass
class Sending:
    """`url` is the proxy's."""

    url: str
    http: aiohttp.ClientSession

    async def __call__(self, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, and body of the answer."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(self.url + path, data=body, headers=sent) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, headers, await answer.read()

    async def calls(self, body: bytes, **headers: str) -> tuple[int, Any]:
        status, _, answer = await self("/v1/calls", body, **headers)
        return status, json.loads(answer)

    async def feedback(self, body: Any) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, answer = await self("/v1/feedback", data, content_type="application/json")
        return status, json.loads(answer)

    async def spans(self, *spans: dict[str, Any], resource: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Send spans as OTLP in JSON."""
        body = json.dumps(export_request(*spans, resource=resource), ensure_ascii=False)
        status, _, answer = await self("/v1/traces", body.encode(), content_type="application/json")
        return status, json.loads(answer)


def export_request(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    """An ExportTraceServiceRequest; attributes of spans and events are plain objects here."""
    scoped = {"scope": {"name": "tests"}, "spans": [_span(span) for span in spans]}
    attributes = pairs(resource or {"service.name": "shop"})
    return {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [scoped]}]}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _span(span: dict[str, Any]) -> dict[str, Any]:
    events = [{**event, "attributes": pairs(event.get("attributes", {}))} for event in span.get("events", ())]
    return {**span, "attributes": pairs(span.get("attributes", {})), "events": events}


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    return {"stringValue": value}
