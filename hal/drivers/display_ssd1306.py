"""Small OLED with an SSD1306 (or SH1106) on I2C, 128x64 or 128x32, as a surface of text in the font of display_font.

The controller has no text of its own: pages of 8 pixel rows, each column of a page one byte. Written page by page, from
the first column that differs to the last, so a changing figure costs some ten bytes.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hal.drivers.display_font import CELL_COLUMNS, GLYPHS
from hal.drivers.display_text import layout
from hal.drivers.i2c import I2cPort, i2c_claim
from hal.drivers.kernel import LINUX, Kernel
from hal.drivers.night import Night, NightWatch
from hal.slot import DeviceSlot, DriverSettings
from hal.types import DeviceMissing, EvseFacts, HalError

WIDTH = 128
PAGE_ROWS = 8
COMMANDS, DATA = b"\x00", b"\x40"  # first byte of a message (SSD1306 data sheet, 8.1.5.2)
DISPLAY_OFF, DISPLAY_ON, SET_CONTRAST = 0xAE, 0xAF, 0x81

RENEW_S = 60.0
"""A display that lost its power for a moment is set up and written again after so long; nobody can ask it."""

Contrast = Annotated[int, msgspec.Meta(ge=0, le=255)]


class NightTable(Night, frozen=True, kw_only=True):
    """How bright it is at night."""

    contrast: Contrast = 1


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.display] with driver = "display_ssd1306": bus `i2c`, `address`, how it is built and how it is to look.

    `column_offset`: first visible column of the controller's memory. `text_size` 2: letters twice as high and wide.
    """

    i2c: str
    address: Literal[0x3C, 0x3D] = 0x3C
    height: Literal[32, 64] = 64
    column_offset: Annotated[int, msgspec.Meta(ge=0, le=4)] = 0
    text_size: Literal[1, 2] = 2
    contrast: Contrast = 128
    night: NightTable | None = None
    upside_down: bool = False

    def check(self, evse: EvseFacts) -> None:
        """A night that has times of day."""
        if self.night is not None:
            self.night.check()

    def maker(self) -> tuple[str, str]:
        """The chip."""
        return "Solomon Systech", "SSD1306"

    def claims(self) -> tuple[str, ...]:
        """The address."""
        return (i2c_claim(self.i2c, self.address),)


class Ssd1306Display:
    """The display of one EVSE; dark while it has nothing to show. `kernel`: the calls to the bus."""

    def __init__(
        self,
        settings: Settings,
        slot: DeviceSlot,
        kernel: Kernel = LINUX,
        local_time: Callable[[], time.struct_time] = time.localtime,
    ) -> None:
        if not Path(settings.i2c).exists():
            raise DeviceMissing(slot.device, f"{settings.i2c} is not there; enable the bus, or mend 'i2c'")
        self._settings = settings
        self._slot = slot
        self._port = I2cPort(slot.device, settings.i2c, settings.address, kernel)
        self._columns = WIDTH // (CELL_COLUMNS * settings.text_size)
        self._rows = settings.height // (PAGE_ROWS * settings.text_size)
        self._night = NightWatch(settings.night, slot.monotonic, local_time)
        self._contrast = settings.contrast
        self._shown: tuple[bytes, ...] | None = None
        self._renewed_mono = 0.0

    def show(self, lines: tuple[str, ...]) -> None:
        """Show these lines; only what differs is written. DeviceMissing or DeviceSilent: the next call begins anew."""
        rows = layout(lines, self._columns, self._rows, GLYPHS)
        wanted = tuple(page for row in rows for page in drawn(row, self._settings.text_size))
        before, self._shown = self._shown, None
        if before is None or self._slot.monotonic() - self._renewed_mono >= RENEW_S:
            if before is None:
                self._command(DISPLAY_OFF)  # what is in its memory is unknown
            self._set_up()
            before = ()
        self._dim()
        for page, new in enumerate(wanted):
            self._write_page(page, before[page] if before else None, new)
        self._command(DISPLAY_ON if any(map(any, wanted)) else DISPLAY_OFF)
        self._shown = wanted

    def close(self) -> None:
        """Leave it dark and give the bus back."""
        try:
            if self._shown is not None:
                self._command(DISPLAY_OFF)
        except HalError:
            pass  # it is gone: nothing to make dark
        finally:
            self._shown = None
            self._port.close()

    def _set_up(self) -> None:
        """As the data sheet has it (application example of chapter 3). Dark after power-up, else it goes on showing."""
        settings = self._settings
        turned = (0xA0, 0xC0) if settings.upside_down else (0xA1, 0xC8)
        com_pins = 0x12 if settings.height == 64 else 0x02
        self._command(
            *(0xD5, 0x80),  # clock
            *(0xA8, settings.height - 1),  # rows
            *(0xD3, 0x00),  # no offset
            0x40,  # first row first
            *(0x8D, 0x14),  # the panel's voltage from its own charge pump
            *(0x20, 0x02),  # pages, the one addressing that the SH1106 has too
            *turned,
            *(0xDA, com_pins),
            *(SET_CONTRAST, self._contrast),
            *(0xD9, 0xF1),  # pre-charge, for the charge pump
            *(0xDB, 0x40),  # deselect level
            0xA4,  # show the memory
            0xA6,  # 1 is light
        )
        self._renewed_mono = self._slot.monotonic()

    def _dim(self) -> None:
        night = self._settings.night
        wanted = night.contrast if night is not None and self._night.is_night() else self._settings.contrast
        if wanted != self._contrast:
            self._command(SET_CONTRAST, wanted)
            self._contrast = wanted

    def _write_page(self, page: int, old: bytes | None, new: bytes) -> None:
        differing = [column for column in range(WIDTH) if old is None or old[column] != new[column]]
        if not differing:
            return
        first, last = differing[0], differing[-1]
        column = self._settings.column_offset + first
        self._command(0xB0 | page, column & 0x0F, 0x10 | column >> 4)
        self._port.write(DATA + new[first : last + 1])

    def _command(self, *commands: int) -> None:
        self._port.write(COMMANDS + bytes(commands))


def drawn(row: str, size: int) -> tuple[bytes, ...]:
    """The pages of one row of text, `WIDTH` columns each; bit 0 is the uppermost pixel."""
    columns = b"".join(GLYPHS[character] for character in row)
    if size == 1:
        return (columns.ljust(WIDTH, b"\0"),)
    twice = [_stretched(column) for column in columns for _ in range(2)]
    return tuple(bytes(each >> shift & 0xFF for each in twice).ljust(WIDTH, b"\0") for shift in (0, 8))


def _stretched(column: int) -> int:
    """Eight pixels, each of them twice: sixteen."""
    return sum(0b11 << 2 * row for row in range(PAGE_ROWS) if column >> row & 1)
