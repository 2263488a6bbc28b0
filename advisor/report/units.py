"""Quantities as people read them. Every figure in a report goes through here."""

from __future__ import annotations

from advisor.domain.estimate import Range


def gib(value: float) -> str:
    """GiB with the precision an estimate has: `0.3`, `9.8`, `117`."""
    if value == 0:
        return "0"
    if value < 0.1:
        return f"{value:.2f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def gib_range(value: Range | None) -> str:
    """`9.8 [8.9-11.2]`, or `-` when it does not apply."""
    if value is None or value.high == 0:
        return "-"
    return f"{gib(value.expected)} [{gib(value.low)}-{gib(value.high)}]"


def duration(seconds: float) -> str:
    """`40 s`, `2 min`, `1 h 40 min`, `3 d 4 h`."""
    if seconds < 1:
        return "< 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours and days < 30 else f"{days} d"


def duration_range(value: Range | None) -> str:
    """`40 s [30 s - 1 min]`, or `-`."""
    if value is None or value.high == 0:
        return "-"
    return f"{duration(value.expected)} [{duration(value.low)} - {duration(value.high)}]"


def size(count: int) -> str:
    """Bytes as MB or GB of 10**6 and 10**9."""
    if count < 10**6:
        return f"{count / 10**3:.1f} kB"
    return f"{count / 10**6:.1f} MB" if count < 10**9 else f"{count / 10**9:.2f} GB"


def number(value: float) -> str:
    """Four significant digits, no exponent for ordinary magnitudes."""
    if value == int(value) and abs(value) < 10**7:
        return f"{int(value):,}"
    return f"{value:.4g}" if abs(value) < 10**4 else f"{value:,.0f}"


def percent(fraction: float, sign: bool = True) -> str:
    """A relative change: `-61.2 %`."""
    return f"{fraction * 100:+.1f} %" if sign else f"{fraction * 100:.1f} %"


def quality(value: Range | None, unit: str) -> str:
    """`-1.0 to -0.2 points`, or `unknown`."""
    if value is None:
        return "unknown"
    if value.low == value.high == 0:
        return "unchanged"
    return f"{value.low:+.3g} to {value.high:+.3g} {unit}".rstrip()
