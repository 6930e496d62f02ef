import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hal.drivers.display_ssd1306 import RENEW_S, NightTable, Settings, Ssd1306Display, drawn
from hal.types import BoardError, DeviceMissing, DeviceSilent, EvseFacts
from tests.hal.drivers.i2c_bus import Bus
from tests.hal.drivers.oled import Oled
from tests.hal.drivers.wall_clock import WallClock
from tests.hal.plants import World

GOLDEN = """\
#...........#...#.#.............##..
#...........#...#.#............#..#.
#..#........#...#.#.##........####..
#.#.........#.#.#.##..#........#....
##..........#.#.#.#...#.......####..
#.#.........##.##.#...#........#..#.
#..#........#...#.#...#.........##..
"""


class Rig:
    """A display on a bus, and the glass."""

    def __init__(self, folder: Path, **values: Any) -> None:
        self.world = World()
        self.bus = Bus(folder)
        self.oled = Oled()
        self.settings = Settings(**{"i2c": self.bus.path, **values})
        self.bus.devices[self.settings.address] = self.oled
        self.clock = WallClock()
        self.display = Ssd1306Display(self.settings, self.world.slot("display"), self.bus.kernel, self.clock)

    def glass(self) -> list[str]:
        """The pixels, without what is dark at the right and below."""
        rows = self.oled.picture(self.settings.height, self.settings.column_offset)
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def watch(self, look: Callable[[], bool]) -> list[bool]:
        """What `look` says after each message from now on."""
        seen: list[bool] = []
        write = self.oled.write

        def watched(message: bytes) -> None:
            write(message)
            seen.append(look())

        self.oled.write = watched  # type: ignore[method-assign]
        return seen

    def cost_bytes(self, *lines: str) -> int:
        before = self.bus.traffic_bytes
        self.display.show(lines)
        return self.bus.traffic_bytes - before


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path, text_size=1)


def test_a_text_is_drawn_as_it_looks(rig: Rig) -> None:
    rig.display.show(("k Wh €",))
    assert rig.glass() == [row.rstrip(".") for row in GOLDEN.split()]
    assert rig.oled.is_on


def test_each_line_is_a_page_lower(rig: Rig) -> None:
    rig.display.show(tuple("ABCDEFGH"))
    assert [rig.oled.picture(64)[8 * row : 8 * row + 8] for row in range(8)] == [
        _glyph(rig, character) for character in "ABCDEFGH"
    ]


def _glyph(rig: Rig, character: str) -> list[str]:
    other = Oled()
    rig.bus.devices[rig.settings.address] = other
    Ssd1306Display(rig.settings, rig.world.slot("display"), rig.bus.kernel).show((character,))
    return other.picture(64)[:8]


def test_double_size_is_every_pixel_twice_in_both_directions(tmp_path: Path) -> None:
    rig = Rig(tmp_path, text_size=2)
    rig.display.show(("k Wh €",))
    twice = ["".join(2 * pixel for pixel in row) for row in GOLDEN.split() for _ in range(2)]
    assert rig.glass() == [row.rstrip(".") for row in twice]


@pytest.mark.parametrize(
    "height, size, rows, columns", [(64, 1, 8, 21), (64, 2, 4, 10), (32, 1, 4, 21), (32, 2, 2, 10)]
)
def test_every_size_is_filled_to_its_edges_and_not_beyond(
    tmp_path: Path, height: int, size: int, rows: int, columns: int
) -> None:
    rig = Rig(tmp_path, height=height, text_size=size)
    rig.display.show(("|" * 50,) * 50)
    picture = rig.oled.picture(64)
    assert sum(row.count("#") for row in picture[:height]) == rows * columns * 7 * size * size
    untouched = Oled().picture(64)
    assert picture[height:] == untouched[height:]


def test_only_what_differs_is_written(rig: Rig) -> None:
    rig.display.show(("Charging 7.4 kW", "3.21 kWh"))
    assert rig.cost_bytes("Charging 7.6 kW", "3.21 kWh") <= 4 + 1 + 6 + 2
    assert rig.cost_bytes("Charging 7.6 kW", "3.21 kWh") == 2
    fresh = Rig(Path(rig.bus.path).parent, text_size=1)
    fresh.display.show(("Charging 7.6 kW", "3.21 kWh"))
    assert rig.glass() == fresh.glass()


def test_it_is_set_up_for_its_panel(tmp_path: Path) -> None:
    tall = Rig(tmp_path, contrast=200)
    tall.display.show(("x",))
    assert (tall.oled.set[0xA8], tall.oled.set[0xDA], tall.oled.set[0x81], tall.oled.set[0x8D]) == (63, 0x12, 200, 0x14)
    assert {0xA1, 0xC8, 0xA4, 0xA6} <= tall.oled.flags
    flat = Rig(tmp_path, height=32, upside_down=True, address=0x3D)
    flat.display.show(("x",))
    assert (flat.oled.set[0xA8], flat.oled.set[0xDA]) == (31, 0x02)
    assert {0xA0, 0xC0} <= flat.oled.flags


def test_it_is_dimmed_at_night_and_bright_by_day(tmp_path: Path) -> None:
    rig = Rig(tmp_path, contrast=200, night=NightTable(begins="22:00", ends="06:00", contrast=5), text_size=1)
    seen = []
    for hour in (21, 22, 5, 6):
        rig.clock.set(hour)
        rig.display.show(("k Wh €",))
        seen.append((rig.oled.set[0x81], rig.oled.is_on, rig.glass()))
        rig.world.wait(60.0)
    picture = [row.rstrip(".") for row in GOLDEN.split()]
    assert seen == [(contrast, True, picture) for contrast in (200, 5, 5, 200)]


def test_one_that_is_set_up_anew_at_night_is_as_dim_as_before(tmp_path: Path) -> None:
    rig = Rig(tmp_path, night=NightTable(begins="22:00", ends="06:00"))
    rig.clock.set(23)
    rig.display.show(("x",))
    rig.bus.error = errno.EREMOTEIO
    with pytest.raises(DeviceSilent):
        rig.display.show(("y",))
    rig.bus.error = None
    rig.oled.lose_power()
    rig.display.show(("y",))
    assert rig.oled.set[0x81] == 1


def test_a_night_without_times_of_day_is_refused() -> None:
    facts, night = EvseFacts(max_amps=32, phases=3), NightTable(begins="22:00", ends="dawn")
    Settings(i2c="/dev/i2c-1").check(facts)
    with pytest.raises(BoardError, match=r"^night\.ends: found 'dawn'; expected a time such as"):
        Settings(i2c="/dev/i2c-1", night=night).check(facts)


def test_an_sh1106_shows_its_columns_from_the_second_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path, column_offset=2, text_size=1)
    rig.display.show(("k Wh €",))
    assert rig.glass() == [row.rstrip(".") for row in GOLDEN.split()]


def test_with_nothing_to_show_it_is_dark(rig: Rig) -> None:
    rig.display.show(("Hello",))
    rig.display.show(())
    assert (rig.oled.is_on, rig.glass()) == (False, [])
    rig.display.show(("Hello",))
    assert rig.oled.is_on


def test_noise_of_power_up_is_never_shown(rig: Rig) -> None:
    noisy = rig.watch(lambda: rig.oled.is_on and any(b"\xa5\xa5" in bytes(page[:128]) for page in rig.oled.memory))
    rig.display.show(("Hello",))
    assert not any(noisy)


@pytest.mark.parametrize("error", [errno.EREMOTEIO, errno.ETIMEDOUT])
def test_a_bus_that_fails_is_told_and_everything_is_written_again(rig: Rig, error: int) -> None:
    rig.display.show(("Charging",))
    rig.bus.error = error
    for _ in range(3):
        with pytest.raises(DeviceSilent, match=r"evse\[0\].display: address 0x3C on .* does not answer"):
            rig.display.show(("k Wh €",))
    rig.bus.error = None
    rig.oled.lose_power()
    rig.display.show(("k Wh €",))
    assert rig.glass() == [row.rstrip(".") for row in GOLDEN.split()]
    assert rig.oled.is_on


def test_one_that_has_its_power_is_set_up_again_without_a_blink(rig: Rig) -> None:
    rig.display.show(("Charging",))
    lit = rig.watch(lambda: rig.oled.is_on)
    rig.world.wait(RENEW_S)
    rig.display.show(("Charging",))
    assert len(lit) > 2
    assert all(lit)


def test_a_controller_that_lost_its_power_is_set_up_again_after_a_minute(rig: Rig) -> None:
    rig.display.show(("Charging",))
    rig.oled.lose_power()
    rig.world.wait(RENEW_S)
    rig.display.show(("k Wh €",))
    assert rig.glass() == [row.rstrip(".") for row in GOLDEN.split()]
    assert rig.oled.set[0xA8] == 63


def test_a_bus_that_goes_and_comes_back_works_again(rig: Rig) -> None:
    rig.display.show(("Charging",))
    rig.bus.is_there = False
    for _ in range(2):
        with pytest.raises(DeviceMissing):
            rig.display.show(("k Wh €",))
    rig.bus.is_there = True
    rig.display.show(("k Wh €",))
    assert rig.glass() == [row.rstrip(".") for row in GOLDEN.split()]


def test_a_bus_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="/i2c-9 is not there; enable the bus, or mend 'i2c'"):
        Ssd1306Display(Settings(i2c=str(tmp_path / "i2c-9")), World().slot("display"))


def test_closing_leaves_it_dark_and_the_bus_free(rig: Rig) -> None:
    rig.display.show(("Charging",))
    rig.display.close()
    assert (rig.oled.is_on, rig.bus.files) == (False, 0)
    rig.display.close()


def test_closing_a_display_that_is_gone_is_no_failure(rig: Rig) -> None:
    rig.display.show(("Charging",))
    rig.bus.error = errno.EREMOTEIO
    rig.display.close()
    assert rig.bus.files == 0


def test_the_whole_surface_takes_less_than_half_a_second_at_100_khz(rig: Rig) -> None:
    assert rig.cost_bytes(*["x" * 21] * 8) * 9 / 100_000 < 0.25
    assert max(map(len, rig.bus.written)) * 9 / 100_000 < 0.05  # one transfer, within the timeout of the bus


def test_a_row_is_drawn_to_the_width_of_the_panel() -> None:
    assert [len(page) for page in drawn("A" * 21, 1)] == [128]
    assert [len(page) for page in drawn("A" * 10, 2)] == [128, 128]


def test_it_claims_its_address() -> None:
    assert Settings(i2c="/dev/i2c-1").claims() == ("address 0x3C on /dev/i2c-1",)
