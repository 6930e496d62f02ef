"""Lights and a buzzer: single lamps or red, green and blue ones, on GPIO lines or LEDs of the kernel.

What is shown is a function of the indication, the fault's number and the time since it began; `show` is called in every
tick, so there is no thread, and a lamp is written only when it changes. Patterns are data (light_patterns.py) and a
board may have its own.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from hal.drivers.gpio_lines import GpioSettings, Lines, OutputTable
from hal.drivers.lamps import LEDS, ColourLamps, LampTable, LineLamp, open_lamp
from hal.drivers.light_patterns import (
    BEEPS,
    PATTERNS,
    Colour,
    Milliseconds,
    Pattern,
    is_sounding,
    pattern_for,
    shade_at,
)
from hal.drivers.night import Night, NightWatch
from hal.slot import DeviceSlot
from hal.types import BoardError, EvseFacts, Indication

Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]

LONGEST_BEEPS_MS = 10_000


class NightTable(Night, frozen=True, kw_only=True):
    """How bright it is at night. `silent`: no beeps either."""

    percent: Percent = 20
    silent: bool = False


class PatternTable(Pattern, frozen=True, kw_only=True):
    """A pattern of the board's own for one indication."""

    indication: Indication


class BeepTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Beeps of the board's own for one indication: milliseconds on, off, on, ...; empty: none."""

    indication: Indication
    rhythm: tuple[Milliseconds, ...]


class Settings(GpioSettings, frozen=True, kw_only=True):
    """[evse.indicator] with driver = "indicator_leds". `patterns`, `beeps`: what differs from the common ones."""

    red: LampTable | None = None
    green: LampTable | None = None
    blue: LampTable | None = None
    yellow: LampTable | None = None
    white: LampTable | None = None
    buzzer: OutputTable | None = None
    percent: Percent = 100
    night: NightTable | None = None
    patterns: tuple[PatternTable, ...] = ()
    beeps: tuple[BeepTable, ...] = ()

    def lamps(self) -> dict[Colour, LampTable]:
        """The lamps that are fitted."""
        tables = {colour: getattr(self, colour.value, None) for colour in Colour}
        return {colour: table for colour, table in tables.items() if table is not None}

    def check(self, evse: EvseFacts) -> None:
        """A lamp or a buzzer, brightness only for lamps that have it, and beeps that end."""
        super().check(evse)
        lamps = self.lamps()
        if not lamps and self.buzzer is None:
            raise BoardError("driver", "neither lamp nor buzzer", "give at least one of: red, green, blue, ..., buzzer")
        if self.night is not None:
            self.night.check()
        dims = any(table.led is not None for table in lamps.values())
        if not dims and (self.percent < 100 or (self.night is not None and self.night.percent not in {0, 100})):
            key = "percent" if self.percent < 100 else "night.percent"
            raise BoardError(key, "a lamp on a line is on or off", 'give led = "..." for one with brightness, or 100')
        for index, beep in enumerate(self.beeps):
            if sum(beep.rhythm) > LONGEST_BEEPS_MS:
                place = f"beeps[{index}].rhythm"
                raise BoardError(place, f"lasts {sum(beep.rhythm)} ms", f"expected at most {LONGEST_BEEPS_MS} ms")

    def writes(self) -> tuple[str, ...]:
        """The LEDs of the kernel."""
        return tuple(str(LEDS / table.led) for table in self.lamps().values() if table.led is not None)


class LedIndicator:
    """The lights and the buzzer of one EVSE; dark and silent until told."""

    def __init__(
        self,
        settings: Settings,
        slot: DeviceSlot,
        local_time: Callable[[], time.struct_time] = time.localtime,
        leds: Path = LEDS,
    ) -> None:
        self._monotonic = slot.monotonic
        self._settings = settings
        self._night = NightWatch(settings.night, slot.monotonic, local_time)
        self._patterns: Mapping[Indication, Pattern] = PATTERNS | {own.indication: own for own in settings.patterns}
        self._beeps = BEEPS | {own.indication: own.rhythm for own in settings.beeps}
        self._shown: tuple[Indication, int] = (Indication.OFF, 0)
        self._since_mono = slot.monotonic()
        with Lines(slot) as lines:
            tables = settings.lamps()
            self._lamps = ColourLamps(
                {colour: open_lamp(table, lines, slot.device, leds) for colour, table in tables.items()}
            )
            self._buzzer = LineLamp(lines.output(settings.buzzer)) if settings.buzzer else None
            self._lines = lines.keep()

    def show(self, indication: Indication, code: int = 0) -> None:
        """Show it, a fault with its number from 1, until told otherwise. DeviceMissing when a lamp is gone."""
        now_mono = self._monotonic()
        if (indication, code) != self._shown:
            self._shown, self._since_mono = (indication, code), now_mono
        night = self._settings.night if self._night.is_night() else None
        elapsed_s = now_mono - self._since_mono
        pattern = pattern_for(indication, code, self._patterns)
        percent = night.percent if night else self._settings.percent
        self._lamps.light(pattern.colour, shade_at(pattern, elapsed_s) * percent / 100)
        is_quiet = night is not None and night.silent
        self._sound(not is_quiet and is_sounding(self._beeps.get(indication, ()), elapsed_s))

    def close(self) -> None:
        """Dark and silent, and all given back."""
        self._lines.close()

    def _sound(self, on: bool) -> None:
        if self._buzzer is not None:
            self._buzzer.light(1.0 if on else 0.0)
