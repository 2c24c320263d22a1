"""Write series for cases: promtool's notation from stretches of time."""

from __future__ import annotations


def counter(*stretches: tuple[float, int], start: float = 0) -> str:
    """Return a counter that grows by so much a step, for so many steps, stretch after stretch."""
    parts: list[str] = []
    value = start
    for number, (growth, steps) in enumerate(stretches):
        # The first stretch includes its start; a later one begins a step after the one before.
        first, more = (value, steps) if number == 0 else (value + growth, steps - 1)
        parts.append(f"{first:.12g}+{growth:.12g}x{more}")
        value = first + growth * more
    return " ".join(parts)


def gauge(*stretches: tuple[float, int]) -> str:
    """Return a gauge that stays at a value for so many samples, stretch after stretch."""
    return " ".join(f"{value:.12g}+0x{samples - 1}" for value, samples in stretches)
