"""Lamps: a GPIO line that is on or off, or an LED of the kernel (/sys/class/leds), which may have levels in between."""

import os
from pathlib import Path
from typing import Protocol

from hal.drivers.gpio_lines import Lines, LineTable, OutputLine, OutputTable
from hal.drivers.light_patterns import Colour
from hal.types import BoardError, DeviceMissing

LEDS = Path("/sys/class/leds")

BRIGHT_ENOUGH = 0.5
"""From this share of full brightness on a lamp that is only on or off is on."""


class LampTable(OutputTable, frozen=True, kw_only=True):
    """One lamp: a line, or `led`, the name of a directory in /sys/class/leds."""

    led: str | None = None

    @property
    def claim(self) -> str:
        """What nobody else may use."""
        return f"led {self.led}" if self.led is not None else super().claim

    @property
    def node(self) -> str | None:
        """An LED of the kernel has none."""
        return None if self.led is not None else super().node

    def check(self, key: str) -> None:
        """BoardError unless it names one lamp."""
        if self.led is None:
            super().check(key)
        elif LineTable(chip=self.chip, line=self.line, pi=self.pi) != LineTable():
            raise BoardError(key, "names a line and an LED", "give one of them")
        elif not self.led or "/" in self.led or self.led.startswith("."):
            raise BoardError(f"{key}.led", f"found '{self.led}'", "expected the name of a directory in /sys/class/leds")


class Lamp(Protocol):
    """Something that lights."""

    def light(self, level: float) -> None:
        """From 0 to 1, written only when it changes. Raises HalError."""
        ...


def open_lamp(table: LampTable, lines: Lines, device: str, leds: Path) -> Lamp:
    """The lamp, dark; it is closed with the lines. DeviceMissing when it is not there."""
    if table.led is None:
        return LineLamp(lines.output(table))
    lamp = LedLamp(leds / table.led, device)
    lines.adopt(lamp.close)
    return lamp


class LineLamp:
    """A lamp on a line: on or off. The line belongs to the Lines it came from."""

    def __init__(self, line: OutputLine) -> None:
        self._line = line
        self._on: bool | None = False

    def light(self, level: float) -> None:
        """On from half brightness on."""
        on = level >= BRIGHT_ENOUGH
        if on is not self._on:
            self._on = None  # nobody knows, until the write was done
            self._line.set(on)
            self._on = on


class LedLamp:
    """A lamp of the kernel. Its trigger is taken off: it would light the lamp by itself."""

    def __init__(self, path: Path, device: str) -> None:
        self._path = path
        self._device = device
        self._file: int | None = None
        self._most = 1
        self._written: int | None = None
        self.light(0.0)

    def light(self, level: float) -> None:
        """As bright as that, as far as the LED can. DeviceMissing when it is gone."""
        try:
            if self._file is None:
                self._file = self._open()
            value = round(level * self._most)
            if value != self._written:
                self._written = None
                os.pwrite(self._file, b"%d" % value, 0)
                self._written = value
        except PermissionError as error:
            remedy = "let the user of this process write there (systemd/60-chargerd.rules)"
            raise DeviceMissing(self._device, f"may not write {error.filename or self._path}; {remedy}") from error
        except (OSError, ValueError) as error:
            self._give_back()
            remedy = "see /sys/class/leds for those there are, and mend 'led' in the board file"
            raise DeviceMissing(self._device, f"{self._path} cannot be used ({error}); {remedy}") from error

    def close(self) -> None:
        """Dark, and given back."""
        try:
            self.light(0.0)
        except DeviceMissing:
            return  # gone, and given back already
        self._give_back()

    def _open(self) -> int:
        self._most = int((self._path / "max_brightness").read_text())
        trigger = self._path / "trigger"
        if trigger.exists():
            trigger.write_text("none")
        return os.open(self._path / "brightness", os.O_WRONLY)

    def _give_back(self) -> None:
        file, self._file = self._file, None
        self._written = None
        if file is not None:
            os.close(file)


class ColourLamps:
    """The lamps of one indicator by colour, and how they show any colour together."""

    def __init__(self, lamps: dict[Colour, Lamp]) -> None:
        self._lamps = lamps
        self._mixes = {colour: _mix(colour, tuple(lamps)) for colour in Colour}

    def light(self, colour: Colour, level: float) -> None:
        """Those that make up the colour are as bright as `level`, the others dark. Raises HalError."""
        for name, lamp in self._lamps.items():
            lamp.light(level if name in self._mixes[colour] else 0.0)


PARTS: dict[Colour, tuple[Colour, ...]] = {
    Colour.YELLOW: (Colour.RED, Colour.GREEN),
    Colour.CYAN: (Colour.GREEN, Colour.BLUE),
    Colour.MAGENTA: (Colour.RED, Colour.BLUE),
    Colour.WHITE: (Colour.RED, Colour.GREEN, Colour.BLUE),
}
"""What red, green and blue light add up to."""


def _mix(colour: Colour, fitted: tuple[Colour, ...]) -> tuple[Colour, ...]:
    """The lamps that show a colour: its own, its parts, or else the first one fitted that does not cry fault."""
    if colour is Colour.OFF:
        return ()
    if colour in fitted:
        return (colour,)
    parts = PARTS.get(colour, ())
    if parts and set(parts) <= set(fitted):
        return parts
    return tuple(sorted(fitted, key=lambda lamp: lamp is Colour.RED)[:1])
