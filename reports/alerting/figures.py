"""A value of an alert with its unit, as people write it."""

from datetime import timedelta


def figure(value: float, unit: str) -> str:
    """`12.3%`, `$4.50`, `1,200 ms`, `35 min`; a unit that is not known is left out."""
    match unit:
        case "share":
            return f"{value:.1%}"
        case "usd":
            return f"${value:,.2f}" if abs(value) >= 0.01 or not value else f"${value:.6f}"
        case "ms":
            return f"{value:,.0f} ms"
        case "seconds":
            return span(timedelta(seconds=value)) if value >= 120 else f"{value:,.1f} s"
        case "calls" | "tokens":
            return f"{value:,.0f} {unit}"
        case _:
            return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"


def span(lasted: timedelta) -> str:
    """`35 min`, `2 h 5 min`, `3 d 4 h`."""
    minutes = int(lasted.total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{rest} min"
