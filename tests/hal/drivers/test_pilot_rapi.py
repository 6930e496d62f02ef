"""The roles of an OpenEVSE controller: what is refused, and what its states and sensors come to."""

import math
import time
from collections.abc import Iterator

import pytest

from hal.drivers.pilot_rapi import PortSettings, RapiPilot, RapiRelays, RapiResidual, RapiThermometer, Settings
from hal.sim.rapi import OpenEvse
from hal.slot import DeviceSlot
from hal.types import Alarm, BoardError, EvseFacts, HalError, PilotMode, WakeUp
from tests.hal.drivers.controllers import Charger, rapi_charger, rapi_settings

FACTS = EvseFacts(max_amps=16, phases=1)


@pytest.fixture(scope="module")
def idle() -> Iterator[Charger[OpenEvse]]:
    """A charger at rest, for what changes nothing."""
    with rapi_charger() as charger:
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


def test_the_roles_share_a_port_that_nothing_else_may_use() -> None:
    pilot, other = Settings(port="/dev/x", fallback_amps=6), PortSettings(port="/dev/x")
    assert pilot.bus() == other.bus() == ("/dev/x", "pilot_rapi")
    assert pilot.claims() == ("the pilot on /dev/x",)
    assert other.claims() == ()


def test_a_role_without_its_pilot_says_what_is_missing() -> None:
    slot = DeviceSlot("evse[0].relays", FACTS, time.monotonic)
    with pytest.raises(HalError, match=r"no pilot on .*; describe \[evse.pilot\] with driver = 'pilot_rapi'"):
        RapiRelays(PortSettings(port="/dev/x"), slot)


def test_a_role_of_another_evse_is_refused(idle: Charger[OpenEvse]) -> None:
    with rapi_charger() as charger, pytest.raises(HalError, match=r"its controller is that of evse\[0\].pilot"):
        RapiRelays(PortSettings(port=str(charger.port)), charger.slot("relays", "evse[1]"))


@pytest.mark.parametrize("mode", [PilotMode.STEADY_LOW, PilotMode.DISCONNECTED])
def test_modes_that_the_controller_does_not_have_are_refused(idle: Charger[OpenEvse], mode: PilotMode) -> None:
    with pytest.raises(HalError, match="refused the mode"):
        idle.pilot.set(mode, 100.0)


@pytest.mark.parametrize("duty_percent", [5.0, 0.0, 7.9, 98.0, -1.0, math.nan, 101.0])
def test_a_duty_that_offers_no_current_is_refused(idle: Charger[OpenEvse], duty_percent: float) -> None:
    with pytest.raises(HalError, match="refused a duty"):
        idle.pilot.set(PilotMode.PWM, duty_percent)


def test_a_duty_above_the_rating_is_refused_and_one_at_it_is_not(idle: Charger[OpenEvse]) -> None:
    idle.pilot.set(PilotMode.PWM, 53.33)
    with pytest.raises(HalError, match="the board has 32 A"):
        idle.pilot.set(PilotMode.PWM, 55.0)
    idle.pilot.set(PilotMode.STEADY_HIGH, 100.0)


@pytest.mark.parametrize("for_s", [-0.1, 5.1, math.nan, math.inf])
def test_a_lease_that_is_none_is_refused(idle: Charger[OpenEvse], for_s: float) -> None:
    with pytest.raises(HalError, match="refused to hold"):
        idle.relays.hold(True, for_s)


def test_without_a_feedback_contact_nothing_is_said_of_it() -> None:
    with rapi_charger(has_feedback=False) as charger:
        assert charger.relays.read().closed is None


def test_the_thermometer_shows_the_warmest_sensor() -> None:
    with rapi_charger() as charger:
        thermometer = charger.open(RapiThermometer, PortSettings(port=str(charger.port)), "thermometer")
        reading = thermometer.read()
        assert reading.celsius == pytest.approx(charger.evse.celsius(charger.world.monotonic()), abs=0.1)
        assert charger.world.monotonic() - reading.at_mono < 5.0


@pytest.mark.parametrize(
    "fault, alarm",
    [
        ("trip_rcd", Alarm.RESIDUAL_AC),
        ("relay_stuck_open", Alarm.NO_GROUND),
        ("over_temperature", Alarm.OVER_TEMPERATURE),
        ("rcd_test_fails", Alarm.RESIDUAL_TEST),
    ],
)
def test_what_the_controller_finds_is_an_alarm_and_no_energy_flows(fault: str, alarm: Alarm) -> None:
    with rapi_charger() as charger:
        residual = charger.open(RapiResidual, PortSettings(port=str(charger.port)), "residual")
        assert residual.self_test() is True
        charger.evse.plug_in()
        charger.evse.fault(fault)
        charger.evse.ev_ready()
        charger.play(lambda: charger.pilot.read().alarms == (alarm,))
        assert not charger.energised
        assert residual.read().tripped_ac is (alarm is Alarm.RESIDUAL_AC)
        assert residual.read().tripped_dc is False
        assert residual.self_test() is (alarm is not Alarm.RESIDUAL_TEST)


def test_a_welded_contactor_is_an_alarm_and_reads_as_closed() -> None:
    with rapi_charger() as charger:
        charger.charge()
        charger.evse.fault("weld_relay")
        charger.evse.ev_pause()
        charger.play(lambda: charger.pilot.read().alarms == (Alarm.CONTACTOR_WELDED,))
        assert charger.relays.read().closed is True


def test_a_vehicle_without_diode_shows_it_in_the_levels() -> None:
    with rapi_charger() as charger:
        charger.evse.plug_in(quirks=("no_diode",))
        charger.evse.ev_ready()
        charger.play(lambda: charger.pilot.read().low_volts == -9.0)
        assert not charger.energised


def test_a_vehicle_that_needs_ventilation_shows_state_d() -> None:
    with rapi_charger() as charger:
        charger.evse.plug_in(quirks=("ventilation",))
        charger.evse.ev_ready()
        charger.play(lambda: charger.pilot.read().high_volts == 3.0)
        assert not charger.energised


def test_a_fault_is_over_when_the_vehicle_has_gone_and_its_cause_too() -> None:
    with rapi_charger() as charger:
        charger.charge()
        charger.evse.fault("trip_rcd")
        charger.play(lambda: charger.pilot.read().alarms == (Alarm.RESIDUAL_AC,))
        charger.evse.clear_fault("trip_rcd")
        charger.evse.plug_out(force=True)
        charger.play(lambda: charger.pilot.read().alarms == ())
        charger.charge()


def test_settings_need_a_fallback(idle: Charger[OpenEvse]) -> None:
    with pytest.raises(TypeError):
        Settings(port="/dev/x")  # type: ignore[call-arg]
    assert rapi_settings(idle.port).heartbeat_s == 3
    assert RapiPilot.settings_type is Settings
