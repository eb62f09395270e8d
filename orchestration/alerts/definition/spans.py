"""Spans of time as rules write them."""

from datetime import timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span(text: str) -> timedelta:
    """`90s`, `10m`, `24h`, `7d` or `4w`, as `model.Span` lets through."""
    return timedelta(**{UNITS[text[-1]]: int(text[:-1])})
