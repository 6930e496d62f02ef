"""The roles of a Yeti board: what is refused, and what it tells comes to."""

import math
import time
from collections.abc import Iterator

import pytest

from hal.drivers.pilot_yeti import (
    PilotSettings,
)
from hal.iec61851 import NO_CABLE_OHMS
from hal.sim.yeti import YetiBoard
from hal.types import Alarm, DeviceSilent, EvseFacts, HalError, PilotMode
from tests.hal.drivers.controllers import YETI, Charger, wait_until

FACTS = EvseFacts(max_amps=32, phases=3)


@pytest.fixture(scope="module")
def idle() -> Iterator[Charger[YetiBoard]]:
    """A charger at rest, for what changes nothing."""
    with YETI.charger() as charger:
        yield charger


def test_the_pilot_tells_the_board_how_it_has_to_be_read() -> None:
    facts = PilotSettings(port="/dev/x").amend(FACTS)
    assert not facts.autonomous  # it waits for our permission
    assert facts.interlocked
    assert facts.pilot_stale_s == 1.25


@pytest.mark.parametrize("duty_percent", [0.0, 2.9, 97.1, 100.0, -1.0, math.nan, 101.0])
def test_a_duty_that_forbids_charging_is_refused(idle: Charger[YetiBoard], duty_percent: float) -> None:
    with pytest.raises(HalError, match="refused a duty"):
        idle.pilot.set(PilotMode.PWM, duty_percent)


def test_the_pilot_cannot_be_disconnected(idle: Charger[YetiBoard]) -> None:
    with pytest.raises(HalError, match="refused to disconnect"):
        idle.pilot.set(PilotMode.DISCONNECTED, 100.0)


def test_the_pilot_has_state_f(idle: Charger[YetiBoard]) -> None:
    idle.pilot.set(PilotMode.STEADY_LOW, 100.0)

    def shown() -> bool:
        idle.relays.hold(False, 0.0)
        reading = idle.pilot.read()
        return (reading.high_volts, reading.low_volts) == (-12.0, -12.0)

    wait_until(shown, 1.0)
    idle.pilot.set(PilotMode.STEADY_HIGH, 100.0)
    wait_until(lambda: idle.pilot.read().high_volts == 12.0, 1.0)


@pytest.mark.parametrize("phases", [0, 2, 4])
def test_a_number_of_phases_that_there_is_not_is_refused(idle: Charger[YetiBoard], phases: int) -> None:
    switch = idle.open("phase_switch")
    with pytest.raises(HalError, match="1 or 3"):
        switch.set(phases)
    assert switch.read().phases is None


def test_the_levels_of_a_charge_are_those_of_its_states() -> None:
    with YETI.charger() as charger:
        assert (charger.pilot.read().high_volts, charger.pilot.read().low_volts) == (12.0, 12.0)
        charger.charge()
        assert (charger.pilot.read().high_volts, charger.pilot.read().low_volts) == (6.0, -12.0)
        charger.evse.fault("short_pilot")
        charger.play(
            lambda: charger.pilot.read().high_volts == 0.0 and charger.pilot.read().alarms == (Alarm.INTERNAL,)
        )
        wait_until(lambda: not charger.energised, 0.5)


def test_a_contactor_that_does_not_open_reads_as_closed() -> None:
    with YETI.charger() as charger:
        charger.charge()
        charger.evse.fault("weld_relay")
        charger.amps = 0
        began_mono = time.monotonic()
        charger.play(lambda: time.monotonic() - began_mono > 0.5)
        assert charger.relays.read().closed is True


@pytest.mark.parametrize("amps, ohms", [(13, 1500), (20, 680), (32, 220), (63, 100)])
def test_a_cable_is_told_by_its_class(amps: float, ohms: float) -> None:
    with YETI.charger() as charger:
        proximity = charger.open("proximity")
        assert (proximity.read().ohms, proximity.read().amps) == (NO_CABLE_OHMS, None)
        charger.evse.plug_in(cable_amps=amps)
        wait_until(lambda: proximity.read().amps == amps, 1.0)
        assert proximity.read().ohms == ohms


def test_a_resistor_of_no_class_is_no_cable() -> None:
    with YETI.charger() as charger:
        proximity = charger.open("proximity")
        charger.evse.fault("cable_resistor")
        wait_until(lambda: proximity.read().ohms == 0.0, 1.0)
        assert proximity.read().amps is None


def test_the_lock_goes_where_it_is_driven_and_is_nowhere_on_the_way() -> None:
    with YETI.charger() as charger:
        lock = charger.open("lock")
        assert lock.read().locked is False
        charger.play(lambda: lock.set(True) or lock.read().locked)
        assert charger.evse.locked
        charger.play(lambda: lock.set(False) or not lock.read().locked)
        charger.play(lambda: not charger.evse.locked)


def test_a_jammed_lock_never_says_that_it_arrived() -> None:
    with YETI.charger() as charger:
        lock = charger.open("lock")
        charger.evse.fault("lock_jam")
        began_mono = time.monotonic()
        charger.play(lambda: bool(lock.set(True)) or time.monotonic() - began_mono > 1.0)
        assert lock.read().locked is False


def test_one_phase_or_three_is_what_the_vehicle_gets() -> None:
    with YETI.charger() as charger:
        switch = charger.open("phase_switch")
        charger.play(lambda: switch.set(1) or charger.evse.phases == 1)
        charger.play(lambda: switch.set(3) or charger.evse.phases == 3)


def test_the_meter_shows_what_flows_with_the_age_of_its_sample() -> None:
    with YETI.charger() as charger:
        meter, thermometer = charger.open("meter"), charger.open("thermometer")
        charger.charge()
        charger.play(lambda: meter.read().amps[0] > 10.0)
        sample = meter.read()
        assert len(sample.amps) == len(sample.volts) == 3
        assert sample.volts[0] == pytest.approx(230.0, abs=5.0)
        assert sample.power_w == pytest.approx(
            sum(a * v for a, v in zip(sample.amps, sample.volts, strict=True)), rel=0.05
        )
        assert sample.energy_wh == pytest.approx(charger.evse.state().energy_wh, abs=10.0)
        assert sample.frequency_hz == 50.0
        assert charger.world.monotonic() - sample.at_mono < 1.3
        assert thermometer.read().celsius == pytest.approx(charger.evse.celsius(charger.world.monotonic()), abs=1.0)


def test_a_meter_that_tells_nothing_any_more_is_silent() -> None:
    with YETI.charger() as charger:
        meter = charger.open("meter")
        meter.read()
        charger.evse.fault("controller_stops")
        with pytest.raises(DeviceSilent):
            wait_until(lambda: not meter.read(), 5.0)
