from typing import Any

import pytest

from hal.drivers.gpio_lines import InputTable, OutputTable
from hal.drivers.residual_gpio import LOOK_S, TEST_S, GpioResidual, Settings
from hal.types import BoardError, DeviceMissing, EvseFacts
from tests.hal.drivers.fake_gpiod import WIRINGS, FakeKernel, gpiod_wiring
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.hal.plants import World

FACTS = EvseFacts(max_amps=32, phases=3)
TEST = OutputTable(pi=11)


@pytest.fixture(params=WIRINGS)
def wiring(request: pytest.FixtureRequest) -> Wiring:
    return WIRINGS[request.param](Bench(World()))


class Sleeps:
    """Lets no time pass, counts it, and does something after a while."""

    def __init__(self) -> None:
        self.slept_s = 0.0
        self.then: dict[float, Any] = {}

    def __call__(self, seconds: float) -> None:
        self.slept_s += seconds
        for due_s in [due_s for due_s in self.then if self.slept_s >= due_s]:
            self.then.pop(due_s)()


def open_residual(wiring: Wiring, sleeps: Sleeps | None = None, **keys: Any) -> GpioResidual:
    tables = {
        "test": wiring.output(Pin.TEST),
        "trip_ac": wiring.input(Pin.TRIP_AC, pull="up"),
        "trip_dc": wiring.input(Pin.TRIP_DC, pull="up"),
    }
    return GpioResidual(Settings(**{**tables, **keys}), wiring.slot("residual"), sleeps or Sleeps())


@pytest.mark.parametrize("fault, tripped", [("trip_rcd", (True, False)), ("trip_rcd_dc", (False, True))])
def test_each_trip_is_told_for_itself(wiring: Wiring, fault: str, tripped: tuple[bool, bool]) -> None:
    residual = open_residual(wiring)
    wiring.bench.world.evse.fault(fault)
    reading = residual.read()
    assert (reading.tripped_ac, reading.tripped_dc) == tripped


def test_a_trip_line_that_breaks_reads_as_tripped(wiring: Wiring) -> None:
    residual = open_residual(wiring)
    wiring.bench.cut.add(Pin.TRIP_DC)
    assert residual.read().tripped_dc is True


def test_a_trip_shorter_than_a_tick_is_not_missed() -> None:
    kernel = FakeKernel(Bench(World()))
    residual = open_residual(gpiod_wiring(kernel.bench, kernel))
    kernel.pulsed.add(Pin.TRIP_DC)
    assert [residual.read().tripped_dc, residual.read().tripped_dc] == [True, False]


def test_a_monitor_with_one_trip_line_never_tells_of_the_other(wiring: Wiring) -> None:
    residual = open_residual(wiring, trip_ac=None)
    wiring.bench.world.evse.fault("trip_rcd")
    assert residual.read().tripped_ac is False
    assert residual.self_test() is True


def test_its_test_passes_when_everything_trips_and_lets_go(wiring: Wiring) -> None:
    sleeps = Sleeps()
    residual = open_residual(wiring, sleeps)
    assert residual.self_test() is True
    assert sleeps.slept_s < 0.1
    assert Pin.TEST not in wiring.bench.high
    assert wiring.bench.edges[Pin.TEST] == 2


def test_its_test_fails_in_time_when_nothing_trips(wiring: Wiring) -> None:
    sleeps = Sleeps()
    residual = open_residual(wiring, sleeps)
    wiring.bench.world.evse.fault("rcd_test_fails")
    assert residual.self_test() is False
    assert sleeps.slept_s == pytest.approx(TEST_S, abs=2 * LOOK_S)
    assert Pin.TEST not in wiring.bench.high


def test_its_test_fails_when_one_of_two_does_not_trip(wiring: Wiring) -> None:
    wiring.bench.cut.add(Pin.TRIP_AC)
    residual = open_residual(wiring, trip_ac=wiring.input(Pin.TRIP_AC, pull="down"))
    assert residual.self_test() is False


def test_what_the_test_does_not_concern_need_not_trip(wiring: Wiring) -> None:
    wiring.bench.cut.add(Pin.TRIP_AC)
    residual = open_residual(wiring, trip_ac=wiring.input(Pin.TRIP_AC, pull="down"), test_trips=("dc",))
    assert residual.self_test() is True


def test_its_test_fails_when_the_trip_stays(wiring: Wiring) -> None:
    sleeps = Sleeps()
    residual = open_residual(wiring, sleeps)
    sleeps.then[LOOK_S] = lambda: wiring.bench.world.evse.fault("trip_rcd")
    assert residual.self_test() is False
    assert sleeps.slept_s <= 1.0
    assert Pin.TEST not in wiring.bench.high


def test_its_test_fails_at_once_when_it_has_tripped_already(wiring: Wiring) -> None:
    residual = open_residual(wiring)
    wiring.bench.world.evse.fault("trip_rcd_dc")
    assert residual.self_test() is False
    assert Pin.TEST not in wiring.bench.edges


def test_a_short_trip_that_the_control_loop_saw_first_counts_for_the_test() -> None:
    kernel = FakeKernel(Bench(World()))
    kernel.bench.world.evse.fault("rcd_test_fails")  # no level, only the pulse below
    sleeps = Sleeps()
    residual = open_residual(gpiod_wiring(kernel.bench, kernel), sleeps, trip_ac=None)

    def pulse() -> None:
        kernel.pulsed.add(Pin.TRIP_DC)
        assert residual.read().tripped_dc is True

    sleeps.then[5 * LOOK_S] = pulse
    assert residual.self_test() is True


def test_a_chip_that_vanishes_during_the_test_is_told() -> None:
    kernel = FakeKernel(Bench(World()))
    sleeps = Sleeps()
    kernel.bench.world.evse.fault("rcd_test_fails")
    residual = open_residual(gpiod_wiring(kernel.bench, kernel), sleeps)
    sleeps.then[3 * LOOK_S] = lambda: setattr(kernel, "gone", True)
    with pytest.raises(DeviceMissing, match=r"evse\[0\].residual"):
        residual.self_test()
    residual.close()


@pytest.mark.parametrize(
    "settings, message",
    [
        (Settings(test=TEST), "^driver: no trip line; give trip_dc or trip_ac"),
        (Settings(test=TEST, trip_dc=InputTable(pi=13, pull="down")), "^trip_dc: a broken wire would read as not"),
        (
            Settings(test=TEST, trip_ac=InputTable(pi=12, pull="up", active="low")),
            "^trip_ac: a broken wire would read as not tripped; pull the line to its active level",
        ),
        (
            Settings(test=TEST, trip_dc=InputTable(pi=13), test_trips=("dc", "ac")),
            "^test_trips: found 'ac', for which there is no line; give trip_ac",
        ),
    ],
)
def test_settings_that_would_hide_a_trip_are_refused(settings: Settings, message: str) -> None:
    with pytest.raises(BoardError, match=message):
        settings.check(FACTS)


def test_a_line_that_the_monitor_itself_pulls_is_accepted() -> None:
    Settings(test=TEST, trip_dc=InputTable(pi=13)).check(FACTS)
