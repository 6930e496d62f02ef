"""What each indication looks and sounds like, as data: a colour, a rhythm, and beeps.

The colours are what chargers commonly show: green ready, yellow waiting, blue connected and charging, red fault, white
at work on itself. Every rhythm differs from every other, so that whoever cannot tell the colours, or a board with one
lamp, loses nothing. A fault that has a number is counted out in flashes.
"""

import bisect
import itertools
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec

from hal.types import Indication

Milliseconds = Annotated[int, msgspec.Meta(ge=10, le=60_000)]

SHADES = 32
"""Steps of brightness of a fade: more cannot be told apart, and each is a write."""


class Colour(StrEnum):
    """What a lamp, or red, green and blue together, can show."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    YELLOW = "yellow"
    CYAN = "cyan"
    MAGENTA = "magenta"
    WHITE = "white"
    OFF = "off"


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A light. `rhythm`: milliseconds on, off, on, off, ... over and over; empty: steady. `fade`: it swells and fades
    while on.
    """

    colour: Colour
    rhythm: tuple[Milliseconds, ...] = ()
    fade: bool = False


def _light(colour: Colour, *rhythm: int, fade: bool = False) -> Pattern:
    return Pattern(colour=colour, rhythm=rhythm, fade=fade)


PATTERNS: dict[Indication, Pattern] = {
    Indication.AVAILABLE: _light(Colour.GREEN),
    Indication.CONNECTED: _light(Colour.BLUE, 2800, 200),  # steady but for a wink
    Indication.PENDING: _light(Colour.YELLOW, 250, 250),
    Indication.ACCEPTED: _light(Colour.GREEN, 120, 120, 120, 600),
    Indication.REFUSED: _light(Colour.RED, 80, 80),
    Indication.CHARGING: _light(Colour.BLUE, 2400, 600, fade=True),
    Indication.SUSPENDED: _light(Colour.BLUE, 2200, 200, 200, 200),  # steady but for two winks
    Indication.RESERVED: _light(Colour.YELLOW, 1000, 1000),
    Indication.UNAVAILABLE: _light(Colour.YELLOW, 150, 3850),
    Indication.FAULTED: _light(Colour.RED, 700, 300),  # a fault without a number
    Indication.LOCATE: _light(Colour.WHITE, 60, 60, 60, 60, 60, 700),
    Indication.UPDATING: _light(Colour.WHITE, 900, 300, fade=True),
    Indication.OFF: _light(Colour.OFF),
}

BEEPS: dict[Indication, tuple[int, ...]] = {
    Indication.ACCEPTED: (120,),
    Indication.REFUSED: (100, 100, 100, 100, 100),
    Indication.FAULTED: (1000,),
    Indication.LOCATE: (60, 440) * 9 + (60,),
}
"""Milliseconds on, off, on, ...; sounded once, when the indication begins."""

FLASH_MS, GAP_MS, PAUSE_MS = 300, 300, 1800
MOST_FLASHES = 12


def code_rhythm(code: int) -> tuple[int, ...]:
    """A fault's number in flashes, with a pause after which it is counted again."""
    flashes = min(code, MOST_FLASHES)
    return (FLASH_MS, GAP_MS) * (flashes - 1) + (FLASH_MS, PAUSE_MS)


def pattern_for(indication: Indication, code: int, patterns: Mapping[Indication, Pattern]) -> Pattern:
    """The pattern of an indication; that of a fault with a number (from 1) is that number in flashes."""
    pattern = patterns[indication]
    if indication is Indication.FAULTED and code > 0:
        return Pattern(colour=pattern.colour, rhythm=code_rhythm(code))
    return pattern


def shade_at(pattern: Pattern, elapsed_s: float) -> float:
    """How bright it is so long after it began, from 0 to 1."""
    if pattern.colour is Colour.OFF:
        return 0.0
    if not pattern.rhythm:
        return 1.0
    ends_ms = list(itertools.accumulate(pattern.rhythm))
    into_ms = elapsed_s * 1000 % ends_ms[-1]
    index = bisect.bisect_right(ends_ms, into_ms)
    if index % 2 == 1:
        return 0.0
    return _swell((ends_ms[index] - into_ms) / pattern.rhythm[index]) if pattern.fade else 1.0


def is_sounding(beeps: tuple[int, ...], elapsed_s: float) -> bool:
    """Whether a beep is to be heard so long after it began; they are sounded once."""
    left_ms = elapsed_s * 1000
    for index, length_ms in enumerate(beeps):
        if left_ms < length_ms:
            return index % 2 == 0
        left_ms -= length_ms
    return False


def _swell(part: float) -> float:
    """Up and down as the eye takes it: light has to grow with the square to look even."""
    height = (1 - math.cos(2 * math.pi * part)) / 2
    return round(height * SHADES) ** 2 / SHADES**2
