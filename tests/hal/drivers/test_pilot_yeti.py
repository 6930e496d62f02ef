"""The roles of a Yeti board: what is refused, and what it tells comes to."""

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hal.drivers import pilot_yeti
from hal.drivers.pilot_yeti import (
    PilotSettings,
    Settings,
    YetiLock,
    YetiMeter,
    YetiPhaseSwitch,
    YetiProximity,
    YetiRelays,
    YetiResidual,
    YetiThermometer,
)
from hal.iec61851 import NO_CABLE_OHMS
from hal.sim.yeti import YetiBoard
from hal.slot import DeviceSlot
from hal.types import Alarm, DeviceSilent, EvseFacts, HalError, PilotMode
from tests.hal.drivers.controllers import Charger, wait_until, yeti_charger

FACTS = EvseFacts(max_amps=32, phases=3)


@pytest.fixture(scope="module")
def idle() -> Iterator[Charger[YetiBoard]]:
    """A charger at rest, for what changes nothing."""
    with yeti_charger() as charger:
        yield charger


def device(charger: Charger[YetiBoard], kind: type[pilot_yeti.YetiDevice], role: str) -> Any:
    return charger.open(kind, Settings(port=str(charger.port)), role)


def test_the_pilot_tells_the_board_how_it_has_to_be_read() -> None:
    facts = PilotSettings(port="/dev/x").amend(FACTS)
    assert not facts.autonomous  # it waits for our permission
    assert facts.interlocked
    assert facts.pilot_stale_s == 1.25


def test_the_roles_share_a_port_that_nothing_else_may_use() -> None:
    pilot, other = PilotSettings(port="/dev/x"), Settings(port="/dev/x")
    assert pilot.bus() == other.bus() == ("/dev/x", "pilot_yeti")
    assert pilot.claims() == ("the pilot on /dev/x",)
    assert other.claims() == ()


def test_a_role_without_its_pilot_says_what_is_missing() -> None:
    slot = DeviceSlot("evse[0].relays", FACTS, time.monotonic)
    with pytest.raises(HalError, match=r"no pilot on .*; describe \[evse.pilot\] with driver = 'pilot_yeti'"):
        YetiRelays(Settings(port="/dev/x"), slot)


def test_a_role_of_another_evse_is_refused(idle: Charger[YetiBoard]) -> None:
    settings, slot = Settings(port=str(idle.port)), idle.slot("relays", "evse[1]")
    with pytest.raises(HalError, match=r"its controller is that of evse\[0\].pilot"):
        YetiRelays(settings, slot)


@pytest.mark.parametrize("duty_percent", [0.0, 2.9, 97.1, 100.0, -1.0, math.nan, 101.0])
def test_a_duty_that_forbids_charging_is_refused(idle: Charger[YetiBoard], duty_percent: float) -> None:
    with pytest.raises(HalError, match="refused a duty"):
        idle.pilot.set(PilotMode.PWM, duty_percent)


def test_a_duty_above_the_rating_is_refused_and_one_at_it_is_not(idle: Charger[YetiBoard]) -> None:
    idle.pilot.set(PilotMode.PWM, 53.33)
    with pytest.raises(HalError, match="the board has 32 A"):
        idle.pilot.set(PilotMode.PWM, 55.0)
    idle.pilot.set(PilotMode.STEADY_HIGH, 100.0)


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


@pytest.mark.parametrize("for_s", [-0.1, 5.1, math.nan, math.inf])
def test_a_lease_that_is_none_is_refused(idle: Charger[YetiBoard], for_s: float) -> None:
    with pytest.raises(HalError, match="refused to hold"):
        idle.relays.hold(True, for_s)


@pytest.mark.parametrize("phases", [0, 2, 4])
def test_a_number_of_phases_that_there_is_not_is_refused(idle: Charger[YetiBoard], phases: int) -> None:
    switch = device(idle, YetiPhaseSwitch, "phase_switch")
    with pytest.raises(HalError, match="1 or 3"):
        switch.set(phases)
    assert switch.read().phases is None


def test_without_a_feedback_contact_nothing_is_said_of_it() -> None:
    with yeti_charger(has_feedback=False) as charger:
        assert charger.relays.read().closed is None


def test_the_levels_of_a_charge_are_those_of_its_states() -> None:
    with yeti_charger() as charger:
        assert (charger.pilot.read().high_volts, charger.pilot.read().low_volts) == (12.0, 12.0)
        charger.charge()
        assert (charger.pilot.read().high_volts, charger.pilot.read().low_volts) == (6.0, -12.0)
        charger.evse.fault("short_pilot")
        charger.play(
            lambda: charger.pilot.read().high_volts == 0.0 and charger.pilot.read().alarms == (Alarm.INTERNAL,)
        )
        wait_until(lambda: not charger.energised, 0.5)


@pytest.mark.parametrize(
    "fault, alarm",
    [("trip_rcd", Alarm.RESIDUAL_AC), ("trip_rcd_dc", Alarm.RESIDUAL_AC), ("rcd_test_fails", Alarm.RESIDUAL_TEST)],
)
def test_what_the_board_finds_is_an_alarm_and_no_energy_flows(fault: str, alarm: Alarm) -> None:
    with yeti_charger() as charger:
        residual = device(charger, YetiResidual, "residual")
        assert residual.self_test() is True
        charger.evse.plug_in()
        charger.evse.fault(fault)
        charger.evse.ev_ready()
        charger.play(lambda: charger.pilot.read().alarms == (alarm,))
        assert not charger.energised
        assert residual.read().tripped_ac is (alarm is Alarm.RESIDUAL_AC)
        assert residual.self_test() is (alarm is not Alarm.RESIDUAL_TEST)


def test_a_vehicle_without_diode_shows_it_in_the_levels() -> None:
    with yeti_charger() as charger:
        charger.evse.plug_in(quirks=("no_diode",))
        charger.evse.ev_ready()
        charger.play(lambda: charger.pilot.read().low_volts == -charger.pilot.read().high_volts < 0)
        assert not charger.energised


def test_a_contactor_that_does_not_open_reads_as_closed() -> None:
    with yeti_charger() as charger:
        charger.charge()
        charger.evse.fault("weld_relay")
        charger.amps = 0
        began_mono = time.monotonic()
        charger.play(lambda: time.monotonic() - began_mono > 0.5)
        assert charger.relays.read().closed is True


@pytest.mark.parametrize("amps, ohms", [(13, 1500), (20, 680), (32, 220), (63, 100)])
def test_a_cable_is_told_by_its_class(amps: float, ohms: float) -> None:
    with yeti_charger() as charger:
        proximity = device(charger, YetiProximity, "proximity")
        assert (proximity.read().ohms, proximity.read().amps) == (NO_CABLE_OHMS, None)
        charger.evse.plug_in(cable_amps=amps)
        wait_until(lambda: proximity.read().amps == amps, 1.0)
        assert proximity.read().ohms == ohms


def test_a_resistor_of_no_class_is_no_cable() -> None:
    with yeti_charger() as charger:
        proximity = device(charger, YetiProximity, "proximity")
        charger.evse.fault("cable_resistor")
        wait_until(lambda: proximity.read().ohms == 0.0, 1.0)
        assert proximity.read().amps is None


def test_the_lock_goes_where_it_is_driven_and_is_nowhere_on_the_way() -> None:
    with yeti_charger() as charger:
        lock = device(charger, YetiLock, "lock")
        assert lock.read().locked is False
        charger.play(lambda: lock.set(True) or lock.read().locked)
        assert charger.evse.locked
        charger.play(lambda: lock.set(False) or not lock.read().locked)
        charger.play(lambda: not charger.evse.locked)


def test_a_jammed_lock_never_says_that_it_arrived() -> None:
    with yeti_charger() as charger:
        lock = device(charger, YetiLock, "lock")
        charger.evse.fault("lock_jam")
        began_mono = time.monotonic()
        charger.play(lambda: bool(lock.set(True)) or time.monotonic() - began_mono > 1.0)
        assert lock.read().locked is False


def test_one_phase_or_three_is_what_the_vehicle_gets() -> None:
    with yeti_charger() as charger:
        switch = device(charger, YetiPhaseSwitch, "phase_switch")
        charger.play(lambda: switch.set(1) or charger.evse.phases == 1)
        charger.play(lambda: switch.set(3) or charger.evse.phases == 3)


def test_the_meter_shows_what_flows_with_the_age_of_its_sample() -> None:
    with yeti_charger() as charger:
        meter, thermometer = device(charger, YetiMeter, "meter"), device(charger, YetiThermometer, "thermometer")
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
    with yeti_charger() as charger:
        meter = device(charger, YetiMeter, "meter")
        meter.read()
        charger.evse.fault("controller_stops")
        with pytest.raises(DeviceSilent):
            wait_until(lambda: not meter.read(), 5.0)
