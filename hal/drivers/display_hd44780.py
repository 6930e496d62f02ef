"""Character display with an HD44780 or one of its many likenesses, behind a PCF8574 on I2C: 16x2, 20x4 and their kin.

The usual backpack: P0 register select, P1 read/write, P2 enable, P3 backlight, P4-P7 the upper data lines. So each byte
for the controller goes out in two halves, and each half with the enable line high, then low.
"""

import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hal.drivers.display_text import layout
from hal.drivers.i2c import I2cPort, i2c_claim
from hal.drivers.kernel import LINUX, Kernel
from hal.slot import DeviceSlot, DriverSettings
from hal.types import BoardError, DeviceMissing, EvseFacts, HalError

REGISTER_SELECT, ENABLE, BACKLIGHT = 0x01, 0x04, 0x08

# HD44780U data sheet, figure 24: into 4-bit mode from whatever state and half-received byte it is in.
RESET_PAUSES_S = (0.0045, 0.0002, 0.0002)
CLEAR, LEFT_TO_RIGHT, ON, FOUR_BITS_TWO_LINES, SET_ADDRESS = 0x01, 0x06, 0x0C, 0x28, 0x80
CLEAR_S = 0.003  # 1.52 ms by the data sheet; slower likenesses exist

RENEW_S = 60.0
"""A display that lost its power for a moment shows the next change after so long, whole; nobody can ask it."""

ADDRESSES = (*range(0x20, 0x28), *range(0x38, 0x40))  # PCF8574 and PCF8574A

ASCII = {chr(code): code for code in range(0x20, 0x7F)}
WITHOUT_ACCENTS = {name: code for name, code in ASCII.items() if name not in "\\~"} | {
    "¥": 0x5C, "→": 0x7E, "←": 0x7F, "·": 0xA5, "°": 0xDF, "ä": 0xE1, "ß": 0xE2, "µ": 0xE4, "¢": 0xEC, "£": 0xED,
    "ñ": 0xEE, "ö": 0xEF, "Ω": 0xF4, "ü": 0xF5, "÷": 0xFD,
}  # fmt: skip
WITH_ACCENTS = (
    ASCII
    | {chr(code): code for code in range(0xC0, 0x100) if code not in {0xD0, 0xD8, 0xF0}}
    | {
        "→": 0x1A,
        "←": 0x1B,
        "Ω": 0x9A,
        "£": 0xA3,
        "¥": 0xA5,
        "§": 0xA7,
        "±": 0xB1,
        "²": 0xB2,
        "³": 0xB3,
        "µ": 0xB5,
        "·": 0xB7,
    }
)
ROMS = {"A00": WITHOUT_ACCENTS, "A02": WITH_ACCENTS}
"""Character generator -> character -> code (HD44780U data sheet, table 4). A00 has katakana and is the usual one."""


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.display] with driver = "display_hd44780": bus `i2c`, `address` of the backpack, size, `rom` of letters."""

    i2c: str
    address: Annotated[int, msgspec.Meta(ge=0x20, le=0x3F)] = 0x27
    columns: Literal[16, 20] = 16
    rows: Literal[2, 4] = 2
    rom: Literal["A00", "A02"] = "A00"

    def check(self, evse: EvseFacts) -> None:
        """An address that such a chip can have."""
        if self.address not in ADDRESSES:
            expected = "expected 0x20 to 0x27 (PCF8574) or 0x38 to 0x3F (PCF8574A)"
            raise BoardError("address", f"found 0x{self.address:02X}", expected)

    def maker(self) -> tuple[str, str]:
        """The chip."""
        return "Hitachi", "HD44780"

    def claims(self) -> tuple[str, ...]:
        """The address."""
        return (i2c_claim(self.i2c, self.address),)


class Hd44780Display:
    """The display of one EVSE; dark while it has nothing to show. `kernel`: the calls to the bus."""

    def __init__(self, settings: Settings, slot: DeviceSlot, kernel: Kernel = LINUX) -> None:
        if not Path(settings.i2c).exists():
            raise DeviceMissing(slot.device, f"{settings.i2c} is not there; enable the bus, or mend 'i2c'")
        self._settings = settings
        self._slot = slot
        self._codes = ROMS[settings.rom]
        self._port = I2cPort(slot.device, settings.i2c, settings.address, kernel)
        self._shown: tuple[str, ...] | None = None
        self._renewed_mono = 0.0

    def show(self, lines: tuple[str, ...]) -> None:
        """Show these lines; only what differs is written. DeviceMissing or DeviceSilent: the next call begins anew."""
        wanted = layout(lines, self._settings.columns, self._settings.rows, self._codes)
        backlight = BACKLIGHT if any(row.strip() for row in wanted) else 0
        before, self._shown = self._shown, None
        if before is None or self._slot.monotonic() - self._renewed_mono >= RENEW_S:
            before = self._begin(backlight)
        for row, (old, new) in enumerate(zip(before, wanted, strict=True)):
            if old != new:
                self._write_row(row, old, new, backlight)
        self._port.write(bytes((backlight,)))
        self._shown = wanted

    def close(self) -> None:
        """Leave it dark and give the bus back."""
        try:
            if self._shown is not None:
                self.show(())
        except HalError:
            pass  # it is gone: nothing to make dark
        finally:
            self._shown = None
            self._port.close()

    def _begin(self, backlight: int) -> tuple[str, ...]:
        """Reset the controller; what it shows then."""
        for pause_s in RESET_PAUSES_S:
            self._port.write(_half(0x30, backlight))
            time.sleep(pause_s)
        self._port.write(_half(0x20, backlight))
        for command in (FOUR_BITS_TWO_LINES, ON, LEFT_TO_RIGHT, CLEAR):
            self._port.write(_whole(command, backlight))
        time.sleep(CLEAR_S)
        self._renewed_mono = self._slot.monotonic()
        return (" " * self._settings.columns,) * self._settings.rows

    def _write_row(self, row: int, old: str, new: str, backlight: int) -> None:
        """From the first character that differs to the last, in one message."""
        differing = [column for column in range(len(new)) if old[column] != new[column]]
        first, last = differing[0], differing[-1]
        # The third and fourth row go on where the first and second end.
        address = (row % 2) * 0x40 + (row // 2) * self._settings.columns + first
        message = _whole(SET_ADDRESS | address, backlight)
        for character in new[first : last + 1]:
            message += _whole(self._codes[character], backlight | REGISTER_SELECT)
        self._port.write(message)


def _half(upper: int, flags: int) -> bytes:
    """One half byte: the controller takes it when the enable line falls."""
    return bytes((upper | flags | ENABLE, upper | flags))


def _whole(value: int, flags: int) -> bytes:
    return _half(value & 0xF0, flags) + _half(value << 4 & 0xF0, flags)
