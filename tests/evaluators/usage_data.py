"""The recorded usage objects of the real data, found in whatever they are wrapped in."""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def usages(folder: Path) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """(usage object, what genai-prices extracts from it by API flavour) of provider_usages."""
    for line in lines(folder / "provider_usages.jsonl.xz"):
        body = line["body"]
        yield body.get("usage") or body.get("usageMetadata") or body["meta"], line["extracted"]


def payloads(folder: Path) -> Iterator[tuple[str, int, dict[str, Any], dict[str, Any] | None]]:
    """(host, HTTP status, response, usage object or None) of provider_payloads."""
    for line in lines(folder / "provider_payloads.jsonl.xz"):
        response = line["response"] if isinstance(line["response"], dict) else {}
        usage = response.get("usage") or response.get("usageMetadata") or response.get("meta")
        yield line["host"], line["status"], response, usage


def in_genai_terms(counts: tuple[int, ...]) -> dict[str, int]:
    """Our exclusive buckets as the inclusive sums that genai-prices extracts."""
    uncached, read, write, write_1h, audio, image, text, reasoning, output_audio, output_image = counts
    return {
        "input_tokens": uncached + read + write + write_1h + audio + image,
        "cache_read_tokens": read,
        "cache_write_tokens": write + write_1h,
        "input_audio_tokens": audio,
        "output_tokens": text + reasoning + output_audio + output_image,
        "output_reasoning_tokens": reasoning,
        "output_audio_tokens": output_audio,
        "output_image_tokens": output_image,
    }


def agrees(counts: tuple[int, ...], extracted: list[dict[str, Any]]) -> bool:
    """Whether some extractor of genai-prices counts the same."""
    ours = in_genai_terms(counts)
    return any(all(item["usage"].get(key, 0) == n for key, n in ours.items()) for item in extracted)
