import os
from pathlib import Path

import pytest

from hal.drivers.gpio_lines import Lines
from hal.drivers.lamps import ColourLamps, LampTable, LedLamp, open_lamp
from hal.drivers.light_patterns import Colour
from hal.types import BoardError, DeviceMissing
from tests.hal.drivers.fake_gpiod import FakeKernel, gpiod_wiring
from tests.hal.drivers.gpio_bench import Bench, Pin
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import World

DEVICE = "evse[0].indicator"


def led(folder: Path, name: str = "red:status", most: int = 255) -> Path:
    """A directory as the kernel has it for an LED."""
    path = folder / name
    path.mkdir()
    (path / "max_brightness").write_text(f"{most}\n")
    (path / "brightness").write_text("0")
    (path / "trigger").write_text("[heartbeat] none")
    return path


def brightness(path: Path) -> int:
    return int((path / "brightness").read_text())


def show(path: Path, lamp: LedLamp, level: float) -> int:
    """What stands in the file after a change; a real one forgets what it held before."""
    (path / "brightness").write_text("")
    lamp.light(level)
    return int((path / "brightness").read_text().lstrip("\0") or -1)


@pytest.mark.parametrize(
    "most, level, value", [(255, 1.0, 255), (255, 0.5, 128), (255, 0.1, 26), (1, 1.0, 1), (1, 0.4, 0)]
)
def test_an_led_is_as_bright_as_it_can(tmp_path: Path, most: int, level: float, value: int) -> None:
    path = led(tmp_path, most=most)
    lamp = LedLamp(path, DEVICE)
    lamp.light(1.0 if level < 1 else 0.0)
    assert show(path, lamp, level) == value
    lamp.close()


def test_an_led_is_dark_and_without_trigger_when_opened_and_dark_when_closed(tmp_path: Path) -> None:
    path = led(tmp_path)
    (path / "brightness").write_text("9")
    before = descriptors()
    lamp = LedLamp(path, DEVICE)
    assert brightness(path) == 0
    assert (path / "trigger").read_text() == "none"
    lamp.light(1.0)
    (path / "brightness").write_text("")
    lamp.close()
    lamp.close()
    assert brightness(path) == 0
    assert descriptors() == before


def test_an_led_is_written_only_when_it_changes(tmp_path: Path) -> None:
    path = led(tmp_path)
    lamp = LedLamp(path, DEVICE)
    lamp.light(0.5)
    (path / "brightness").write_text("7")
    lamp.light(0.501)
    assert brightness(path) == 7


def test_an_led_without_trigger_is_fine(tmp_path: Path) -> None:
    path = led(tmp_path)
    (path / "trigger").unlink()
    LedLamp(path, DEVICE).close()


def test_an_led_that_is_not_there_is_told_with_a_remedy_and_works_when_it_is(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"cannot be used .*; see /sys/class/leds for those there are, and mend"):
        LedLamp(tmp_path / "red:status", DEVICE)
    path = led(tmp_path)
    lamp = LedLamp(path, DEVICE)
    (path / "max_brightness").write_text("many")
    lamp.close()
    with pytest.raises(DeviceMissing, match="cannot be used"):
        lamp.light(1.0)
    (path / "max_brightness").write_text("10")
    assert show(path, lamp, 1.0) == 10
    lamp.close()


def test_an_led_that_may_not_be_written_is_told_with_a_remedy(tmp_path: Path) -> None:
    path = led(tmp_path)
    if os.geteuid() == 0:  # root may write anything: a name that is a directory is refused to it as well
        (path / "brightness").unlink()
        (path / "brightness").mkdir()
        with pytest.raises(DeviceMissing, match="cannot be used"):
            LedLamp(path, DEVICE)
        return
    (path / "brightness").chmod(0o400)
    with pytest.raises(DeviceMissing, match=r"may not write .*brightness; let the user of this process write there"):
        LedLamp(path, DEVICE)


def test_a_lamp_on_a_line_is_on_from_half_brightness_and_written_only_when_it_changes() -> None:
    bench = Bench(World())
    wiring = gpiod_wiring(bench)
    with Lines(wiring.slot("indicator")) as lines:
        lamp = open_lamp(wiring.lamp(Pin.RED), lines, DEVICE, Path("/nowhere"))
        for level, on in ((0.4, False), (0.5, True), (1.0, True), (0.49, False)):
            lamp.light(level)
            assert (Pin.RED in bench.high) is on
    assert bench.edges[Pin.RED] == 2


def test_a_lamp_whose_line_failed_is_written_again() -> None:
    kernel = FakeKernel(Bench(World()))
    wiring = gpiod_wiring(kernel.bench, kernel)
    with Lines(wiring.slot("indicator")) as lines:
        lamp = open_lamp(wiring.lamp(Pin.RED), lines, DEVICE, Path("/nowhere"))
        kernel.gone = True
        with pytest.raises(DeviceMissing):
            lamp.light(1.0)
        kernel.gone = False
        lamp.light(1.0)
        assert Pin.RED in kernel.bench.high
        kernel.gone = True
        with pytest.raises(DeviceMissing):
            lamp.light(0.0)
        kernel.gone = False
        kernel.bench.high.clear()  # it comes back dark
        lamp.light(1.0)
        assert Pin.RED in kernel.bench.high


def test_an_led_is_closed_with_the_lines_of_its_device(tmp_path: Path) -> None:
    path = led(tmp_path)
    before = descriptors()
    with Lines(gpiod_wiring(Bench(World())).slot("indicator")) as lines:
        open_lamp(LampTable(led="red:status"), lines, DEVICE, tmp_path).light(1.0)
        (path / "brightness").write_text("")
    assert brightness(path) == 0
    assert descriptors() == before


class Shown:
    """A lamp that remembers."""

    level = 0.0

    def light(self, level: float) -> None:
        self.level = level


RED, GREEN, BLUE, YELLOW, WHITE = Colour.RED, Colour.GREEN, Colour.BLUE, Colour.YELLOW, Colour.WHITE


@pytest.mark.parametrize(
    "fitted, colour, lit",
    [
        ((RED, GREEN, BLUE), RED, {RED}),
        ((RED, GREEN, BLUE), YELLOW, {RED, GREEN}),
        ((RED, GREEN, BLUE), Colour.CYAN, {GREEN, BLUE}),
        ((RED, GREEN, BLUE), Colour.MAGENTA, {RED, BLUE}),
        ((RED, GREEN, BLUE), WHITE, {RED, GREEN, BLUE}),
        ((RED, GREEN, BLUE, WHITE), WHITE, {WHITE}),
        ((RED, GREEN, YELLOW), YELLOW, {YELLOW}),
        ((RED, GREEN, BLUE), Colour.OFF, set()),
        ((RED, GREEN), BLUE, {GREEN}),  # what cannot be mixed is shown, and not in red
        ((RED, GREEN), WHITE, {GREEN}),
        ((GREEN,), RED, {GREEN}),
        ((RED,), BLUE, {RED}),
        ((), BLUE, set()),
    ],
)
def test_lamps_add_up_to_a_colour(fitted: tuple[Colour, ...], colour: Colour, lit: set[Colour]) -> None:
    lamps = {name: Shown() for name in fitted}
    together = ColourLamps(dict(lamps))
    together.light(colour, 0.7)
    assert {name: lamp.level for name, lamp in lamps.items()} == {name: 0.7 if name in lit else 0.0 for name in fitted}


@pytest.mark.parametrize(
    "table, message",
    [
        (LampTable(), "^red: names no line or two"),
        (LampTable(led="x", pi=3), "^red: names a line and an LED; give one of them"),
        (LampTable(led="../secret"), r"^red.led: found '../secret'; expected the name of a directory"),
        (LampTable(led=""), "^red.led: found ''"),
    ],
)
def test_a_table_that_names_no_lamp_is_refused(table: LampTable, message: str) -> None:
    with pytest.raises(BoardError, match=message):
        table.check("red")


def test_an_led_is_claimed_and_has_no_node() -> None:
    table = LampTable(led="red:status")
    table.check("red")
    assert (table.claim, table.node) == ("led red:status", None)
    assert LampTable(pi=3).claim == "gpio pi 3"
