"""The roles of an OpenEVSE controller: what is refused, and what its states and sensors come to."""

import math
from collections.abc import Iterator

import pytest

from hal.drivers.pilot_rapi import RapiPilot, Settings
from hal.sim.rapi import OpenEvse
from hal.types import Alarm, BoardError, EvseFacts, HalError, PilotMode, WakeUp
from tests.hal.drivers.controllers import RAPI, Charger

FACTS = EvseFacts(max_amps=16, phases=1)


@pytest.fixture(scope="module")
def idle() -> Iterator[Charger[OpenEvse]]:
    """A charger at rest, for what changes nothing."""
    with RAPI.charger() as charger:
        yield charger


def test_the_pilot_tells_the_board_that_it_acts_by_itself() -> None:
    facts = Settings(port="/dev/x", fallback_amps=6).amend(FACTS)
    assert facts.autonomous
    assert facts.interlocked
    assert facts.pilot_stale_s == 2.0
    assert not facts.can_disconnect


def test_a_fallback_above_the_rating_is_refused_and_one_at_it_is_not() -> None:
    Settings(port="/dev/x", fallback_amps=16).check(FACTS)
    with pytest.raises(BoardError, match="fallback_amps: 17 A is more than max_amps"):
        Settings(port="/dev/x", fallback_amps=17).check(FACTS)


def test_a_board_that_wakes_vehicles_by_state_f_is_refused() -> None:
    with pytest.raises(BoardError, match="wake_up: 'state_f' needs -12 V"):
        Settings(port="/dev/x", fallback_amps=6).check(EvseFacts(max_amps=16, phases=1, wake_up=WakeUp.STATE_F))


@pytest.mark.parametrize("mode", [PilotMode.STEADY_LOW, PilotMode.DISCONNECTED])
def test_modes_that_the_controller_does_not_have_are_refused(idle: Charger[OpenEvse], mode: PilotMode) -> None:
    with pytest.raises(HalError, match="refused the mode"):
        idle.pilot.set(mode, 100.0)


@pytest.mark.parametrize("duty_percent", [5.0, 0.0, 7.9, 98.0, -1.0, math.nan, 101.0])
def test_a_duty_that_offers_no_current_is_refused(idle: Charger[OpenEvse], duty_percent: float) -> None:
    with pytest.raises(HalError, match="refused a duty"):
        idle.pilot.set(PilotMode.PWM, duty_percent)


def test_the_thermometer_shows_the_warmest_sensor() -> None:
    with RAPI.charger() as charger:
        thermometer = charger.open("thermometer")
        reading = thermometer.read()
        assert reading.celsius == pytest.approx(charger.evse.celsius(charger.world.monotonic()), abs=0.1)
        assert charger.world.monotonic() - reading.at_mono < 5.0


def test_a_welded_contactor_is_an_alarm_and_reads_as_closed() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        charger.evse.fault("weld_relay")
        charger.evse.ev_pause()
        charger.play(lambda: charger.pilot.read().alarms == (Alarm.CONTACTOR_WELDED,))
        assert charger.relays.read().closed is True


def test_a_vehicle_that_needs_ventilation_shows_state_d() -> None:
    with RAPI.charger() as charger:
        charger.evse.plug_in(quirks=("ventilation",))
        charger.evse.ev_ready()
        charger.play(lambda: charger.pilot.read().high_volts == 3.0)
        assert not charger.energised


def test_a_fault_is_over_when_the_vehicle_has_gone_and_its_cause_too() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        charger.evse.fault("trip_rcd")
        charger.play(lambda: charger.pilot.read().alarms == (Alarm.RESIDUAL_AC,))
        charger.evse.clear_fault("trip_rcd")
        charger.evse.plug_out(force=True)
        charger.play(lambda: charger.pilot.read().alarms == ())
        charger.charge()


def test_settings_need_a_fallback() -> None:
    with pytest.raises(TypeError):
        Settings(port="/dev/x")  # type: ignore[call-arg]
    assert RapiPilot.settings_type is Settings
