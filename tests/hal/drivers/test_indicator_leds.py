import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest

from hal.board_file import load_board
from hal.drivers.gpio_lines import OutputTable
from hal.drivers.indicator_leds import BeepTable, LedIndicator, NightTable, PatternTable, Settings
from hal.drivers.lamps import LampTable
from hal.drivers.light_patterns import Colour
from hal.types import BoardError, DeviceMissing, EvseFacts, Indication
from tests.hal.drivers.fake_gpiod import WIRINGS, FakeKernel, gpiod_wiring
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.hal.drivers.test_lamps import led
from tests.hal.drivers.wall_clock import WallClock
from tests.hal.plants import World

FACTS = EvseFacts(max_amps=32, phases=3)
TICK_S = 1 / 64


@pytest.fixture(params=WIRINGS)
def wiring(request: pytest.FixtureRequest) -> Wiring:
    return WIRINGS[request.param](Bench(World()))


def open_indicator(
    wiring: Wiring, clock: WallClock | None = None, leds: Path = Path("/nowhere"), **keys: Any
) -> LedIndicator:
    tables = {
        "red": wiring.lamp(Pin.RED),
        "green": wiring.lamp(Pin.GREEN),
        "blue": wiring.lamp(Pin.BLUE),
        "buzzer": wiring.output(Pin.BUZZER),
    }
    settings = Settings(**{**tables, **keys})
    settings.check(FACTS)
    return LedIndicator(settings, wiring.slot("indicator"), clock or WallClock(), leds)


def run(
    wiring: Wiring, indicator: LedIndicator, indication: Indication, seconds: float, code: int = 0
) -> list[set[int]]:
    """What is lit or sounding in each tick."""
    seen = []
    for _ in range(round(seconds / TICK_S)):
        indicator.show(indication, code)
        seen.append(set(wiring.bench.high))
        wiring.bench.world.wait(TICK_S)
    return seen


def begins(seen: list[set[int]], pin: Pin) -> int:
    return sum(pin in now and pin not in before for before, now in itertools.pairwise([set[int](), *seen]))


@pytest.mark.parametrize(
    "indication, lit",
    [
        (Indication.AVAILABLE, {Pin.GREEN}),
        (Indication.CHARGING, {Pin.BLUE}),
        (Indication.CONNECTED, {Pin.BLUE}),
        (Indication.RESERVED, {Pin.RED, Pin.GREEN}),
        (Indication.FAULTED, {Pin.RED}),
        (Indication.UPDATING, {Pin.RED, Pin.GREEN, Pin.BLUE}),
        (Indication.OFF, set()),
    ],
)
def test_each_indication_has_its_colour(wiring: Wiring, indication: Indication, lit: set[Pin]) -> None:
    seen = run(wiring, open_indicator(wiring, buzzer=None), indication, 8.0)
    assert set().union(*seen) == lit


def test_a_fault_blinks_its_number(wiring: Wiring) -> None:
    assert begins(run(wiring, open_indicator(wiring), Indication.FAULTED, 4.2, code=5), Pin.RED) == 5


def test_another_number_begins_at_its_own_beginning(wiring: Wiring) -> None:
    indicator = open_indicator(wiring)
    run(wiring, indicator, Indication.FAULTED, 1.0, code=5)
    assert begins(run(wiring, indicator, Indication.FAULTED, 2.7, code=2), Pin.RED) == 2


def test_a_line_is_written_only_when_it_changes(wiring: Wiring) -> None:
    run(wiring, open_indicator(wiring), Indication.AVAILABLE, 10.0)
    assert wiring.bench.edges == {Pin.GREEN: 1}


def test_a_card_is_answered_by_beeps_once(wiring: Wiring) -> None:
    indicator = open_indicator(wiring)
    assert begins(run(wiring, indicator, Indication.ACCEPTED, 5.0), Pin.BUZZER) == 1
    assert begins(run(wiring, indicator, Indication.REFUSED, 5.0), Pin.BUZZER) == 3
    assert begins(run(wiring, indicator, Indication.AVAILABLE, 5.0), Pin.BUZZER) == 0
    assert Pin.BUZZER not in wiring.bench.high


def test_a_beep_ends_with_its_indication(wiring: Wiring) -> None:
    indicator = open_indicator(wiring)
    indicator.show(Indication.FAULTED)
    assert Pin.BUZZER in wiring.bench.high
    indicator.show(Indication.OFF)
    assert Pin.BUZZER not in wiring.bench.high


def test_closing_leaves_it_dark_and_silent(wiring: Wiring) -> None:
    indicator = open_indicator(wiring)
    indicator.show(Indication.FAULTED)
    indicator.close()
    assert not wiring.bench.high


def test_a_board_may_have_its_own_patterns_and_beeps(wiring: Wiring) -> None:
    indicator = open_indicator(
        wiring,
        patterns=(PatternTable(indication=Indication.AVAILABLE, colour=Colour.BLUE, rhythm=(500, 500)),),
        beeps=(
            BeepTable(indication=Indication.ACCEPTED, rhythm=()),
            BeepTable(indication=Indication.AVAILABLE, rhythm=(100,)),
        ),
    )
    seen = run(wiring, indicator, Indication.AVAILABLE, 4.0)
    assert (begins(seen, Pin.BLUE), begins(seen, Pin.BUZZER), begins(seen, Pin.GREEN)) == (4, 1, 0)
    assert begins(run(wiring, indicator, Indication.ACCEPTED, 1.0), Pin.BUZZER) == 0


def test_a_chip_that_vanishes_is_told_and_its_lamps_are_lit_again_when_it_is_back() -> None:
    kernel = FakeKernel(Bench(World()))
    indicator = open_indicator(gpiod_wiring(kernel.bench, kernel))
    indicator.show(Indication.FAULTED)
    kernel.gone = True
    kernel.bench.world.wait(0.8)
    with pytest.raises(DeviceMissing, match=r"evse\[0\].indicator"):
        indicator.show(Indication.FAULTED)
    kernel.gone = False
    kernel.bench.world.wait(0.4)
    indicator.show(Indication.FAULTED)
    assert Pin.RED in kernel.bench.high


# ---- brightness, day and night ----


def brightest(path: Path, wiring: Wiring, indicator: LedIndicator) -> int:
    """The highest brightness that is written while a charge is shown."""
    values = []
    for _ in range(200):
        (path / "brightness").write_text("")
        indicator.show(Indication.CHARGING)
        written = (path / "brightness").read_text().lstrip("\0")
        values += [int(written)] if written else []
        wiring.bench.world.wait(TICK_S)
    return max(values, default=0)


@pytest.mark.parametrize("hour, value", [(21, 200), (22, 51)])
def test_an_led_is_dimmed_at_night(tmp_path: Path, hour: int, value: int) -> None:
    wiring = gpiod_wiring(Bench(World()))
    path = led(tmp_path, "blue:status", 250)
    lamps = {"red": None, "green": None, "blue": LampTable(led="blue:status"), "percent": 80}
    night = NightTable(begins="22:00", ends="06:00")
    indicator = open_indicator(wiring, WallClock(hour), tmp_path, **lamps, night=night)
    assert brightest(path, wiring, indicator) == pytest.approx(value, abs=1)


def test_the_clock_is_looked_at_once_a_minute(wiring: Wiring) -> None:
    clock = WallClock()
    night = NightTable(begins="22:00", ends="06:00", percent=0)
    indicator = open_indicator(wiring, clock, night=night)
    assert run(wiring, indicator, Indication.AVAILABLE, 59.0)[-1] == {Pin.GREEN}
    assert clock.looks == 1
    clock.set(22)
    assert run(wiring, indicator, Indication.AVAILABLE, 61.0)[-1] == set()
    assert clock.looks <= 3


@pytest.mark.parametrize("silent", [False, True])
def test_a_night_may_be_silent(wiring: Wiring, silent: bool) -> None:
    night = NightTable(begins="22:00", ends="06:00", percent=100, silent=silent)
    indicator = open_indicator(wiring, WallClock(23), night=night)
    assert begins(run(wiring, indicator, Indication.ACCEPTED, 1.0), Pin.BUZZER) == (not silent)


# ---- in the board file ----


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"red": None, "green": None, "blue": None, "buzzer": None}, "^driver: neither lamp nor buzzer"),
        ({"percent": 50}, '^percent: a lamp on a line is on or off; give led = "..."'),
        ({"night": NightTable(begins="22:00", ends="06:00")}, "^night.percent: a lamp on a line is on or off"),
        ({"night": NightTable(begins="22:00", ends="24:00")}, "^night.ends: found '24:00'; expected a time such as"),
        (
            {"beeps": (BeepTable(indication=Indication.LOCATE, rhythm=(6000, 5000)),)},
            r"^beeps\[0\].rhythm: lasts 11000",
        ),
        ({"red": LampTable()}, "^red: names no line"),
    ],
)
def test_settings_that_cannot_be_served_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(BoardError, match=message):
        open_indicator(gpiod_wiring(Bench(World())), **keys)


def test_leds_are_claimed_and_their_directories_opened_to_the_process() -> None:
    settings = Settings(
        red=LampTable(led="r"), green=LampTable(pi=4), buzzer=OutputTable(chip="/dev/gpiochip1", line=2)
    )
    settings.check(FACTS)
    assert settings.claims() == ("led r", "gpio pi 4", "gpio /dev/gpiochip1 2")
    assert settings.nodes() == ("/dev/gpiochip1", "char-gpiochip")
    assert settings.writes() == ("/sys/class/leds/r",)


def test_what_was_opened_is_given_back_when_another_lamp_is_not_there(tmp_path: Path) -> None:
    kernel = FakeKernel(Bench(World()))
    wiring = gpiod_wiring(kernel.bench, kernel)
    with pytest.raises(DeviceMissing, match="nowhere/x cannot be used"):
        open_indicator(wiring, blue=LampTable(led="x"))
    assert not kernel.held
    slot = dataclasses.replace(wiring.slot("indicator"), device="evse[1].indicator")
    LedIndicator(Settings(red=wiring.lamp(Pin.RED)), slot).close()


BOARD = """
[board]
vendor = "V"
model = "M"
serial = "S"
relay_deadman = "simulated"
[[evse]]
max_amps = 16
phases = 3
connector = "sType2"
pilot = { driver = "sim" }
relays = { driver = "sim" }
proximity = { driver = "sim" }

[evse.lock]
driver = "lock_gpio"
lock = { chip = "/dev/gpiochip0", line = "LOCK" }
unlock = { chip = "/dev/gpiochip0", line = "UNLOCK" }
feedback = { chip = "/dev/gpiochip0", line = 10, debounce_ms = 10 }
drive_ms = 500

[evse.residual]
driver = "residual_gpio"
test = { pi = 11 }
trip_dc = { pi = 13, pull = "up" }
test_trips = ["dc"]

[evse.phase_switch]
driver = "phase_switch_gpio"
coil = { chip = "pinctrl-rp1", line = "GPIO6", active = "low" }
feedback = { chip = "pinctrl-rp1", line = "GPIO7", contact = "normally_closed" }

[evse.inputs]
driver = "inputs_gpio"
emergency_stop = { pi = 14, pull = "up" }

[evse.external_limit]
driver = "limit_gpio"
open_amps = 16
[[evse.external_limit.contacts]]
pi = 20
amps = 6.5

[evse.indicator]
driver = "indicator_leds"
red = { pi = 22 }
blue = { led = "blue:status" }
buzzer = { pi = 25 }
night = { begins = "22:00", ends = "06:00", percent = 10, silent = true }
[[evse.indicator.patterns]]
indication = "available"
colour = "blue"
rhythm = [100, 900]
fade = true
[[evse.indicator.beeps]]
indication = "refused"
rhythm = [50]
"""


def test_every_gpio_driver_is_described_as_the_guide_says(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(BOARD)
    devices = {device.role: device.settings for device in load_board(path).evses[0].devices}
    indicator = devices["indicator"]
    assert isinstance(indicator, Settings)
    assert indicator.night == NightTable(begins="22:00", ends="06:00", percent=10, silent=True)
    assert indicator.patterns[0].rhythm == (100, 900)
    assert devices["external_limit"].claims() == ("gpio pi 20",)
    assert devices["phase_switch"].claims() == ("gpio pinctrl-rp1 GPIO6", "gpio pinctrl-rp1 GPIO7")
