import errno
import time
from pathlib import Path
from typing import Any

import pytest

from hal.drivers.display_hd44780 import RENEW_S, ROMS, Hd44780Display, Settings
from hal.types import BoardError, DeviceMissing, DeviceSilent
from tests.hal.drivers.i2c_bus import Bus
from tests.hal.drivers.lcd import Lcd
from tests.hal.plants import World

CHARGING = ("Charging  7.4 kW", "3.21 kWh  1.50 €")


class Rig:
    """A display on a bus, and the glass."""

    def __init__(self, folder: Path, **values: Any) -> None:
        self.world = World()
        self.bus = Bus(folder)
        self.lcd = Lcd()
        self.bus.devices[0x27] = self.lcd
        self.settings = Settings(**{"i2c": self.bus.path, **values})
        self.display = Hd44780Display(self.settings, self.world.slot("display"), self.bus.kernel)

    def glass(self) -> list[str]:
        return self.lcd.text(self.settings.columns, self.settings.rows)

    def cost_bytes(self, *lines: str) -> int:
        before = self.bus.traffic_bytes
        self.display.show(lines)
        return self.bus.traffic_bytes - before


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_it_shows_text(rig: Rig) -> None:
    rig.display.show(CHARGING)
    assert rig.glass() == ["Charging  7.4 kW", "3.21 kWh  1.50 E"]
    assert (rig.lcd.is_on, rig.lcd.backlight, rig.lcd.four_bits, rig.lcd.two_lines) == (True, True, True, True)


@pytest.mark.parametrize("columns, rows", [(16, 2), (16, 4), (20, 2), (20, 4)])
def test_every_size_shows_each_line_in_its_place(tmp_path: Path, columns: int, rows: int) -> None:
    rig = Rig(tmp_path, columns=columns, rows=rows)
    lines = [f"{row}{'abcdefghijklmnopqrst'[: columns - 2]}{row}" for row in range(rows)]
    rig.display.show(tuple(lines))
    assert rig.glass() == lines


def test_a_new_text_leaves_nothing_of_the_old(rig: Rig) -> None:
    rig.display.show(("Something very long", "and more of it..."))
    rig.display.show(("Short",))
    assert rig.glass() == ["Short", ""]


def test_only_what_differs_is_written(rig: Rig) -> None:
    rig.display.show(("Charging  7.4 kW", "3.21 kWh"))
    cells = rig.lcd.cells_written
    assert rig.cost_bytes("Charging  7.6 kW", "3.22 kWh") <= 2 * 8 + 1
    assert rig.lcd.cells_written - cells == 2
    assert rig.cost_bytes("Charging  7.6 kW", "3.22 kWh") == 1
    assert rig.glass() == ["Charging  7.6 kW", "3.22 kWh"]


def test_with_nothing_to_show_it_is_dark(rig: Rig) -> None:
    rig.display.show(("Hello",))
    rig.display.show(())
    assert (rig.lcd.backlight, rig.glass()) == (False, ["", ""])
    rig.display.show(("Hello",))
    assert rig.lcd.backlight


def test_the_usual_rom_has_small_umlauts_and_the_large_ones_are_spelled(rig: Rig) -> None:
    rig.display.show(("Übung: größer", "25 °C \\ 3 €"))
    first, second = rig.lcd.codes(16, 2)
    assert first == b"Uebung: gr\xef\xe2er  "
    assert second == b"25 \xdfC / 3 EUR   "


def test_the_european_rom_has_all_of_them(tmp_path: Path) -> None:
    rig = Rig(tmp_path, rom="A02")
    rig.display.show(("Übung déjà £5",))
    assert rig.lcd.codes(16, 2)[0] == b"\xdcbung d\xe9j\xe0 \xa35   "


@pytest.mark.parametrize("rom", ROMS)
def test_every_code_is_one_byte_and_no_code_is_taken_twice(rom: str) -> None:
    codes = ROMS[rom]
    assert all(0x10 <= code <= 0xFF for code in codes.values())
    assert len(set(codes.values())) == len(codes)
    assert all(len(character) == 1 for character in codes)


def test_a_controller_that_lost_half_a_byte_is_put_right(rig: Rig) -> None:
    rig.display.show(CHARGING)
    rig.lcd.noise()
    rig.display.show(("Charging  7.5 kW",))
    assert rig.glass() != ["Charging  7.5 kW", ""]
    rig.world.wait(RENEW_S)
    rig.display.show(("Charging  7.6 kW",))
    assert rig.glass() == ["Charging  7.6 kW", ""]


def test_a_controller_that_lost_its_power_is_set_up_again(rig: Rig) -> None:
    rig.display.show(CHARGING)
    rig.lcd.lose_power()
    rig.world.wait(RENEW_S)
    rig.display.show(("Available",))
    assert rig.glass() == ["Available", ""]
    assert rig.lcd.is_on


@pytest.mark.parametrize("error", [errno.EREMOTEIO, errno.ETIMEDOUT])
def test_a_bus_that_fails_is_told_and_everything_is_written_again(rig: Rig, error: int) -> None:
    rig.display.show(CHARGING)
    rig.bus.error = error
    for _ in range(3):
        with pytest.raises(DeviceSilent, match=r"evse\[0\].display: address 0x27 on .* does not answer"):
            rig.display.show(("Available",))
    rig.bus.error = None
    rig.lcd.lose_power()
    rig.display.show(("Available",))
    assert rig.glass() == ["Available", ""]


def test_a_bus_that_fails_in_the_middle_is_begun_anew(rig: Rig) -> None:
    rig.display.show(CHARGING)
    allowed = [1]
    write = rig.lcd.write

    def failing(message: bytes) -> None:
        if not allowed:
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
        allowed.pop()
        write(message)

    rig.lcd.write = failing  # type: ignore[method-assign]
    with pytest.raises(DeviceSilent):
        rig.display.show(("Available", "Tap a card"))
    rig.lcd.write = write  # type: ignore[method-assign]
    rig.display.show(("Available", "Tap a card"))
    assert rig.glass() == ["Available", "Tap a card"]


def test_a_bus_that_goes_and_comes_back_works_again(rig: Rig) -> None:
    rig.display.show(CHARGING)
    rig.bus.is_there = False
    for _ in range(2):
        with pytest.raises(DeviceMissing):
            rig.display.show(("Available",))
    rig.bus.is_there = True
    rig.display.show(("Available",))
    assert rig.glass() == ["Available", ""]


def test_a_bus_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="/i2c-9 is not there; enable the bus, or mend 'i2c'"):
        Hd44780Display(Settings(i2c=str(tmp_path / "i2c-9")), World().slot("display"))


def test_closing_leaves_it_dark_and_the_bus_free(rig: Rig) -> None:
    rig.display.show(CHARGING)
    rig.display.close()
    assert (rig.lcd.backlight, rig.glass(), rig.bus.files) == (False, ["", ""], 0)
    rig.display.close()


def test_closing_a_display_that_is_gone_is_no_failure(rig: Rig) -> None:
    rig.display.show(CHARGING)
    rig.bus.error = errno.EREMOTEIO
    rig.display.close()
    assert rig.bus.files == 0


def test_the_whole_surface_takes_less_than_half_a_second_at_100_khz(tmp_path: Path) -> None:
    rig = Rig(tmp_path, columns=20, rows=4)
    begin = time.monotonic()
    cost_bytes = rig.cost_bytes(*["x" * 20] * 4)
    waited_s = time.monotonic() - begin
    assert cost_bytes * 9 / 100_000 + waited_s < 0.25


@pytest.mark.parametrize("address", [0x28, 0x30, 0x37])
def test_an_address_that_no_backpack_has_is_refused(address: int) -> None:
    with pytest.raises(BoardError, match=rf"found 0x{address:02X}; expected 0x20 to 0x27"):
        Settings(i2c="/dev/i2c-1", address=address).check(World().evse.facts)


def test_it_claims_its_address() -> None:
    settings = Settings(i2c="/dev/i2c-1", address=0x3F)
    settings.check(World().evse.facts)
    assert settings.claims() == ("address 0x3F on /dev/i2c-1",)
