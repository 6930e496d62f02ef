import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gpiod
import pytest
from gpiod.line import Bias, Clock, Edge

from hal.drivers.meter_pulse import EVENTS_KEPT, GpiodPulses, Pulse, PulseMeter, Settings
from hal.slot import DeviceSlot
from hal.types import BoardError, DeviceGarbled, DeviceMissing, EvseFacts
from tests.hal.drivers.plant_pulses import PlantPulses
from tests.hal.plants import charging

ONE_PHASE = EvseFacts(max_amps=32, phases=1)
PER_KWH = 10_000.0


class FakeLine:
    """A line whose pulses a test sends; also one that goes away."""

    def __init__(self) -> None:
        self.mono = 100.0
        self.waiting: list[Pulse] = []
        self.numbers = itertools.count(1)
        self.gone: OSError | None = None
        self.opened = 0

    def open(self, settings: Settings) -> "FakeLine":
        if self.gone is not None:
            raise self.gone
        self.opened += 1
        self.numbers = itertools.count(1)
        return self

    def pulse(self, after_s: float, times: int = 1) -> None:
        for _ in range(times):
            self.mono += after_s
            self.waiting.append(Pulse(next(self.numbers), self.mono))

    def take(self) -> list[Pulse]:
        if self.gone is not None:
            raise self.gone
        taken, self.waiting = self.waiting, []
        return taken

    def close(self) -> None:
        self.waiting = []


@pytest.fixture
def line() -> FakeLine:
    return FakeLine()


@pytest.fixture
def meter(line: FakeLine, tmp_path: Path) -> Iterator[PulseMeter]:
    (tmp_path / "gpiochip0").touch()
    settings = Settings(chip=str(tmp_path / "gpiochip0"), line=4, pulses_per_kwh=PER_KWH)
    driver = PulseMeter(settings, DeviceSlot("evse[0].meter", ONE_PHASE, lambda: line.mono), line.open)
    yield driver
    driver.close()


def test_pulses_are_energy(line: FakeLine, meter: PulseMeter) -> None:
    assert meter.read().energy_wh == 0
    line.pulse(0.1, times=25)
    sample = meter.read()
    assert sample.energy_wh == pytest.approx(2.5)
    assert (sample.volts, sample.frequency_hz, sample.at_mono) == ((230.0,), None, line.mono)


@pytest.mark.parametrize("amps", [6.0, 16.0, 32.0])
def test_their_spacing_is_power_and_current(line: FakeLine, meter: PulseMeter, amps: float) -> None:
    line.pulse(360.0 / (amps * 230.0), times=10)
    sample = meter.read()
    assert sample.amps == pytest.approx((amps,))
    assert sample.power_w == pytest.approx(amps * 230)


def test_the_current_falls_below_an_ampere_within_two_seconds_of_the_last_pulse(
    line: FakeLine, meter: PulseMeter
) -> None:
    line.pulse(0.05, times=20)
    assert meter.read().amps[0] > 31
    line.mono += 2
    assert meter.read().amps[0] < 1


def test_pulses_that_the_kernel_dropped_are_counted_all_the_same(line: FakeLine, meter: PulseMeter) -> None:
    line.pulse(0.1, times=10)
    del line.waiting[2:8]
    sample = meter.read()
    assert sample.energy_wh == pytest.approx(1.0)
    assert sample.amps == pytest.approx((360 / 0.1 / 230,))


def test_interference_is_garbled(line: FakeLine, meter: PulseMeter) -> None:
    line.pulse(0.001, times=10)
    with pytest.raises(DeviceGarbled, match="pulses come as for 1565 A, possible are 0 to 48 A"):
        meter.read()


def test_a_chip_that_went_away_is_missing_and_counted_on_when_it_is_back(line: FakeLine, meter: PulseMeter) -> None:
    line.pulse(0.1, times=10)
    meter.read()
    line.gone = OSError(19, "No such device")
    for text in ("the line is gone", "line 4 of .*gpiochip0 cannot be had"):
        with pytest.raises(DeviceMissing, match=text):
            meter.read()
    line.gone = None
    line.pulse(0.1, times=0)
    meter.read()
    line.pulse(0.1, times=5)
    assert meter.read().energy_wh == pytest.approx(1.5)
    assert line.opened == 2


def test_a_chip_that_is_not_there_is_missing_with_path_and_remedy(line: FakeLine, tmp_path: Path) -> None:
    settings = Settings(chip=str(tmp_path / "gpiochip9"), line=4, pulses_per_kwh=PER_KWH)
    with pytest.raises(DeviceMissing, match=r"gpiochip9 is not there; see `gpiodetect`, and mend 'chip'"):
        PulseMeter(settings, DeviceSlot("evse[0].meter", ONE_PHASE, lambda: 0.0), line.open)


@pytest.mark.parametrize(
    "pulses, facts, text",
    [
        (PER_KWH, EvseFacts(max_amps=32, phases=3), "driver: pulses tell no current per phase, this EVSE has three"),
        (1000.0, ONE_PHASE, "pulses_per_kwh: found 1000: so few pulses do not show within 2 s that the current ended"),
        (7800.0, ONE_PHASE, "set the meter to 7826 or more"),
    ],
)
def test_a_meter_that_cannot_supervise_is_refused(pulses: float, facts: EvseFacts, text: str) -> None:
    with pytest.raises(BoardError) as caught:
        Settings(chip="/dev/gpiochip0", line=4, pulses_per_kwh=pulses).check(facts)
    assert text in str(caught.value)


def test_a_meter_that_can_is_taken_and_its_line_claimed() -> None:
    settings = Settings(chip="/dev/gpiochip0", line=4, pulses_per_kwh=7900.0)
    settings.check(ONE_PHASE)
    assert settings.claims() == ("gpio /dev/gpiochip0 4",)


def test_the_plant_is_read_through_its_pulses(tmp_path: Path) -> None:
    (tmp_path / "gpiochip0").touch()
    world = charging(ONE_PHASE)
    settings = Settings(chip=str(tmp_path / "gpiochip0"), line=4, pulses_per_kwh=PER_KWH)
    driver = PulseMeter(settings, world.slot("meter"), lambda _: PlantPulses(world, PER_KWH))
    before = world.meter.read().energy_wh
    for _ in range(10):
        world.charge(1)
        sample = driver.read()
    assert sample.energy_wh == pytest.approx(world.meter.read().energy_wh - before, abs=0.2)
    assert sample.power_w == pytest.approx(world.meter.read().power_w, rel=0.06)
    driver.close()


# ---- the kernel's interface, with a request in the place of libgpiod's ----


class FakeRequest:
    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.events: list[gpiod.EdgeEvent] = []
        self.released = False

    def request_lines(self, path: str, **asked: Any) -> "FakeRequest":
        self.asked = {"path": path, **asked}
        return self

    def wait_edge_events(self, timeout: float) -> bool:
        assert timeout == 0  # the poller waits for nothing
        return bool(self.events)

    def read_edge_events(self) -> list[gpiod.EdgeEvent]:
        events, self.events = self.events, []
        return events

    def release(self) -> None:
        self.released = True


@pytest.mark.parametrize(
    "bias, edge, kernel_bias",
    [
        ("pull_up", Edge.FALLING, Bias.PULL_UP),
        ("as_is", Edge.FALLING, Bias.AS_IS),
        ("pull_down", Edge.RISING, Bias.PULL_DOWN),
    ],
)
def test_the_line_is_asked_for_edges_with_the_monotonic_clock(bias: Any, edge: Edge, kernel_bias: Bias) -> None:
    request: Any = FakeRequest()
    settings = Settings(chip="/dev/gpiochip1", line=7, pulses_per_kwh=PER_KWH, bias=bias, debounce_ms=3)
    pulses = GpiodPulses(settings, request.request_lines)
    asked = request.asked["config"][7]
    assert (asked.edge_detection, asked.bias, asked.event_clock) == (edge, kernel_bias, Clock.MONOTONIC)
    assert asked.debounce_period.total_seconds() == 0.003
    assert (request.asked["path"], request.asked["event_buffer_size"]) == ("/dev/gpiochip1", EVENTS_KEPT)
    assert pulses.take() == []
    kind = gpiod.EdgeEvent.Type.FALLING_EDGE.value
    request.events = [gpiod.EdgeEvent(kind, 5_000_000_000, 7, 9, 8), gpiod.EdgeEvent(kind, 5_100_000_000, 7, 10, 9)]
    assert pulses.take() == [Pulse(8, 5.0), Pulse(9, 5.1)]
    pulses.close()
    assert request.released
