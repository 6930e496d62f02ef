"""The controller as a whole: how a charge begins, obeys and ends (what is told of it: tests/evse)."""

import msgspec
import pytest

from chargerd.clock import ManualClock
from chargerd.evse.controller import DUTY_UP_S, Controller
from chargerd.evse.faults import FaultCode
from chargerd.evse.types import Readings
from chargerd.limits import Limit
from hal.types import Alarm, EvseFacts, Indication, InputName, PilotMode
from tests.chargerd.evse.rig import PLAIN, SOCKET, TICK_S, WHOLE, A, B, C, D, Rig, charging

# ---- A charge begins ---------------------------------------------------------------------------------------------


def test_at_the_start_everything_is_off_before_anything_is_known() -> None:
    clock = ManualClock()
    controller = Controller(1, PLAIN)
    outputs = controller.step(Readings(), None, clock.monotonic())
    assert outputs.pilot_mode is PilotMode.STEADY_HIGH
    assert outputs.duty_percent == 100.0
    assert not outputs.relay_closed
    assert outputs.relay_hold_s == 0.0
    assert not outputs.locked
    assert outputs.indication is Indication.UNAVAILABLE


def test_a_vehicle_that_is_permitted_is_offered_current_in_B_and_energy_in_C() -> None:
    rig = Rig()
    rig.run(0.2)
    assert rig.mode() is PilotMode.STEADY_HIGH
    rig.high_volts = B
    rig.run(0.5)
    assert rig.mode() is PilotMode.PWM
    assert rig.outputs.duty_percent == 26.66
    assert not rig.is_closed()
    assert "ev_not_ready" in rig.status.why_not
    rig.high_volts = C
    rig.run_until(rig.is_closed, 0.5)
    assert rig.status.why_not == ()
    assert rig.outputs.relay_hold_s == 1.0


def test_table_A_6_the_contactor_closes_within_3_seconds_of_state_C() -> None:
    rig = Rig()
    rig.high_volts = C
    assert rig.run_until(rig.is_closed, 3.0) < 1.0


def test_permission_after_state_C_closes_without_the_vehicle_leaving_C() -> None:
    rig = Rig()
    rig.permit = False
    rig.high_volts = C
    rig.run(10.0)
    assert not rig.is_closed()
    assert rig.mode() is PilotMode.STEADY_HIGH
    rig.permit = True
    assert rig.run_until(rig.is_closed, 3.0) >= 0.06


def test_a_vehicle_without_a_diode_never_gets_energy_and_is_named_a_fault() -> None:
    rig = Rig()
    rig.high_volts, rig.low_volts = C, -6.0
    for _ in range(500):
        rig.tick()
        assert not rig.is_closed()
    assert rig.fault_codes == ["diode"]
    assert rig.mode() is PilotMode.STEADY_HIGH
    assert rig.indication() is Indication.FAULTED
    rig.high_volts, rig.low_volts = A, None
    rig.run(0.3)
    assert rig.fault_codes == []
    rig.high_volts = C
    rig.run_until(rig.is_closed, 3.0)


def test_a_diode_lost_while_charging_opens_at_once() -> None:
    rig = charging()
    rig.low_volts = -6.0
    assert rig.run_until(lambda: not rig.is_closed(), 0.1) <= 0.04
    assert rig.fault_codes == ["diode"]


def test_state_D_is_refused_without_ventilation_and_served_with_it() -> None:
    rig = Rig()
    rig.high_volts = D
    rig.run(5.0)
    assert not rig.is_closed()
    assert rig.fault_codes == ["ventilation"]
    rig = Rig(EvseFacts(max_amps=32.0, phases=3, ventilated=True))
    rig.high_volts = D
    rig.run_until(rig.is_closed, 3.0)


def test_a_vehicle_already_plugged_in_at_boot_is_charged() -> None:
    rig = Rig(booting=True)
    rig.high_volts = C
    rig.run_until(rig.is_closed, 6.0)
    assert rig.status.plug_count == 1


def test_at_boot_nothing_is_known_of_a_vehicle_until_its_state_has_lasted() -> None:
    rig = Rig(WHOLE, booting=True)
    rig.high_volts = C
    rig.run(0.1)
    assert rig.status.plug_count == 0
    assert rig.mode() is PilotMode.STEADY_HIGH
    rig.run(0.4)
    assert rig.status.plug_count == 1


def test_after_a_power_cut_a_vehicle_that_jumps_from_A_to_C_is_tested_for_and_charged() -> None:
    rig = Rig(WHOLE)
    rig.high_volts = C
    rig.run(0.4)
    assert rig.status.why_not == ("diode_not_proven", "residual_untested")
    assert rig.run_until(rig.is_closed, 3.0) > 0.4
    assert rig.fault_codes == []


# ---- The residual monitor's own test -----------------------------------------------------------------------------


def test_before_each_session_nothing_is_offered_until_the_residual_monitor_has_passed_its_test() -> None:
    rig = Rig(SOCKET)
    tested_mono = rig.status.self_tested_mono
    assert rig.outputs.self_test_seq == 1
    rig.high_volts = B
    rig.run(0.3)
    assert rig.outputs.self_test_seq == 2
    assert "residual_untested" in rig.status.why_not
    assert rig.mode() is PilotMode.STEADY_HIGH
    assert rig.run_until(lambda: rig.mode() is PilotMode.PWM, 1.0) > 0.2
    assert rig.status.self_tested_mono != tested_mono
    rig.high_volts = A
    rig.run(1.0)
    rig.high_volts = B
    rig.run(0.3)
    assert rig.outputs.self_test_seq == 3


def test_where_no_residual_monitor_is_fitted_none_is_tested() -> None:
    rig = charging(PLAIN)
    assert rig.outputs.self_test_seq == 0
    assert rig.status.self_tested_mono is None


def test_a_pause_of_the_vehicle_is_no_new_session_and_needs_no_test() -> None:
    rig = charging(SOCKET)
    rig.high_volts, rig.amps = B, (0.0,)
    rig.run(10.0)
    assert rig.outputs.self_test_seq == 2
    assert rig.mode() is PilotMode.PWM


@pytest.mark.parametrize("answer", [False, None])
def test_a_monitor_that_fails_its_test_or_does_not_answer_in_5_seconds_gives_no_energy_until_a_later_one_passes(
    answer: bool | None,
) -> None:
    rig = Rig(SOCKET)
    rig.self_test = answer
    rig.high_volts = C
    rig.run(6.0)
    assert rig.fault_codes == ["residual_test"]
    assert rig.indication() is Indication.FAULTED
    assert rig.outputs.blink_code == 3
    assert not rig.is_closed()
    rig.self_test = True
    rig.run(56.0 if answer is None else 52.0)
    assert rig.fault_codes == ["residual_test"]
    assert rig.run_until(rig.is_closed, 15.0) > 0
    assert rig.fault_codes == []


def test_trip_lines_that_move_during_the_test_are_no_fault_and_no_energy() -> None:
    rig = Rig(SOCKET)
    rig.high_volts = C
    rig.run_until(lambda: rig.outputs.self_test_seq == 2, 1.0)
    rig.tripped_dc = True
    rig.run(1.2)
    assert rig.fault_codes == []
    assert "residual_tripped" in rig.status.why_not
    rig.tripped_dc = False
    rig.run_until(rig.is_closed, 2.0)


@pytest.mark.parametrize(
    "facts, high_volts",
    [(SOCKET, B), (SOCKET, C), (msgspec.structs.replace(SOCKET, has_feedback=False), C)],
    ids=["offered", "charging", "charging without feedback"],
)
def test_the_daily_test_waits_while_current_is_offered(
    monkeypatch: pytest.MonkeyPatch, facts: EvseFacts, high_volts: float
) -> None:
    rig = Rig(facts)
    rig.high_volts = high_volts
    rig.run_until(lambda: rig.mode() is PilotMode.PWM, 3.0)
    asked_seq = rig.outputs.self_test_seq
    monkeypatch.setattr("chargerd.evse.residual.IDLE_TEST_S", 30.0)
    rig.run(35.0)
    assert rig.outputs.self_test_seq == asked_seq
    assert rig.is_closed() is (high_volts == C)
    rig.high_volts = A
    rig.run(1.0)
    assert rig.outputs.self_test_seq == asked_seq + 1


def test_the_daily_test_waits_for_the_end_of_a_soft_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = charging(SOCKET)
    asked_seq = rig.outputs.self_test_seq
    monkeypatch.setattr("chargerd.evse.residual.IDLE_TEST_S", 0.0)
    rig.permit = False
    seen = []
    for _ in range(5):
        rig.run(1.0)
        seen.append((rig.is_closed(), rig.outputs.self_test_seq))
    assert seen == [(True, asked_seq)] * 5
    rig.run_until(lambda: rig.outputs.self_test_seq == asked_seq + 1, 2.0)
    assert not rig.is_closed()


def test_a_loop_that_stands_still_during_the_test_does_not_ask_for_another_one() -> None:
    rig = Rig(SOCKET)
    rig.high_volts = B
    rig.run_until(lambda: rig.outputs.self_test_seq == 2, 1.0)
    rig.tick(2.0)
    rig.run(5.0)
    assert rig.outputs.self_test_seq == 2
    assert rig.mode() is PilotMode.PWM


# ---- Input lines and alarms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, code",
    [
        (InputName.EMERGENCY_STOP, "emergency_stop"),
        (InputName.ENCLOSURE, "enclosure_open"),
        (InputName.CABLE_CUT, "cable_cut"),
        (InputName.POWER_FAIL, "power_loss"),
    ],
)
def test_an_input_line_that_says_no_opens_in_the_same_tick_and_clears_when_released(line: InputName, code: str) -> None:
    rig = charging(WHOLE)
    rig.inputs = (line,)
    assert not rig.tick().relay_closed
    assert rig.fault_codes == [code]
    assert rig.status.inputs == (line,)
    assert rig.status.opened_by == (f"fault:{code}",)
    rig.inputs, rig.amps = (), (0.0,)
    rig.run(0.1)
    assert rig.fault_codes == []
    rig.run_until(rig.is_closed, 31.0)


def test_input_lines_that_fall_silent_open_and_are_a_device_that_does_not_answer() -> None:
    rig = charging(WHOLE)
    rig.inputs_speak = False
    rig.run_until(lambda: not rig.is_closed(), 0.3)
    rig.amps = (0.0,)
    rig.run(5.5)
    assert rig.fault_codes == ["device_silent"]
    assert rig.status.inputs == ()


def test_a_button_that_is_pressed_stops_nothing() -> None:
    rig = charging(WHOLE)
    rig.inputs = (InputName.BUTTON,)
    rig.run(1.0)
    assert rig.is_closed()
    assert rig.status.inputs == (InputName.BUTTON,)


def test_a_plug_that_becomes_too_hot_opens_in_the_same_tick() -> None:
    rig = charging(WHOLE)
    rig.plug_celsius = 81.0
    assert not rig.tick().relay_closed
    assert rig.status.plug_celsius == 81.0
    rig = charging(WHOLE)
    rig.plug_thermometer_speaks = False
    rig.run(31.0)
    assert "temperature_missing" in rig.status.why_not


def test_a_missed_heartbeat_is_told_and_stops_nothing() -> None:
    rig = charging()
    rig.alarms = (Alarm.HEARTBEAT_MISSED,)
    rig.run(1.0)
    assert rig.is_closed()
    assert rig.fault_codes == ["heartbeat_missed"]
    assert rig.indication() is Indication.CHARGING
    assert rig.outputs.blink_code == 0


# ---- Meter and mains ---------------------------------------------------------------------------------------------


def test_a_phase_that_is_lost_ends_the_charge_softly() -> None:
    rig = charging()
    rig.volts = (230.0, 0.0, 230.0)
    rig.run(1.1)
    assert rig.fault_codes == ["phase_loss"]
    assert rig.mode() is PilotMode.STEADY_HIGH
    assert rig.is_closed()


def test_a_meter_whose_power_is_odd_ends_the_charge_softly() -> None:
    rig = charging()
    rig.power_w = 1000.0
    rig.run(10.1)
    assert rig.fault_codes == ["meter_implausible"]
    assert rig.mode() is PilotMode.STEADY_HIGH


def test_a_meter_that_was_swapped_ends_the_charge_softly() -> None:
    rig = charging()
    rig.meter_swapped, rig.meter_speaks = "2 answers where 1 was", False
    rig.tick()
    assert rig.mode() is PilotMode.STEADY_HIGH
    assert rig.is_closed()
    assert [(fault.code, fault.detail) for fault in rig.status.faults] == [("meter_swapped", "2 answers where 1 was")]


def test_a_meter_that_restarts_at_nothing_ends_the_charge_and_is_believed_again_when_unplugged() -> None:
    rig = charging()
    rig.energy_wh = 0.0
    rig.run(0.1)
    assert rig.fault_codes == ["meter_implausible"]
    rig.amps = (0.0,)
    rig.run(20.0)
    assert rig.fault_codes == ["meter_implausible"]
    rig.high_volts = A
    rig.run(1.0)
    assert rig.fault_codes == []


def test_a_meter_has_5_seconds_for_its_first_word_and_less_for_any_later_one() -> None:
    rig = Rig(booting=True)
    rig.meter_speaks = False
    rig.run(4.8)
    assert rig.fault_codes == []
    rig.run_until(lambda: FaultCode.METER_SILENT in rig.fault_codes, 0.5)
    rig = charging()
    rig.meter_speaks = False
    rig.tick(2.0)
    assert rig.run_until(lambda: FaultCode.METER_SILENT in rig.fault_codes, 3.2) > 2.6


# ---- The current -------------------------------------------------------------------------------------------------


def test_the_smallest_limit_wins_and_its_owner_is_named() -> None:
    rig = Rig(SOCKET)
    rig.cable_amps = 20.0
    rig.limits = (Limit("site", 25.0), Limit("csms", 40.0))
    rig.charge()
    assert rig.status.limit == Limit("cable", 20.0)
    assert rig.status.limits == (
        Limit("board", 32.0),
        Limit("cable", 20.0),
        Limit("site", 25.0),
        Limit("csms", 40.0),
    )
    assert rig.outputs.duty_percent == 33.33
    rig.limits = (Limit("site", 16.0),)
    rig.tick()
    assert rig.status.limit == Limit("site", 16.0)


def test_without_rows_from_the_station_the_boards_rating_holds() -> None:
    rig = Rig()
    rig.limits = ()
    rig.charge()
    assert rig.status.limit == Limit("board", 32.0)
    assert rig.outputs.duty_percent == 53.33


def test_a_lower_limit_reaches_the_pilot_in_the_same_tick() -> None:
    rig = charging()
    rig.limits = (Limit("csms", 10.0),)
    rig.tick()
    assert rig.outputs.duty_percent == 16.66
    assert rig.status.offered_amps == pytest.approx(10.0, abs=0.01)
    rig.limits = (Limit("csms", 6.0),)
    rig.tick()
    assert rig.outputs.duty_percent == 10.0


def test_table_A_6_a_higher_limit_waits_until_5_seconds_after_the_last_change() -> None:
    rig = charging()
    rig.run(5.0)
    rig.limits = (Limit("csms", 10.0),)
    rig.tick()
    rig.limits = (Limit("csms", 20.0),)
    waited = rig.run_until(lambda: rig.outputs.duty_percent > 17.0, 6.0)
    assert DUTY_UP_S - TICK_S <= waited <= DUTY_UP_S + TICK_S
    assert rig.outputs.duty_percent == 33.33


def test_a_vehicle_that_takes_more_than_signalled_loses_energy_after_7_seconds() -> None:
    rig = charging()
    rig.amps = (19.0, 0.0, 0.0)
    waited = rig.run_until(lambda: not rig.is_closed(), 8.0)
    assert 7.0 <= waited <= 7.1
    assert rig.fault_codes == ["ev_overdraw_warning", "ev_overdraw"]
    rig.amps = (0.0,)
    rig.run(30.0)
    assert not rig.is_closed()


# ---- Lock and cable --------------------------------------------------------------------------------------------------


def test_the_plug_is_locked_before_energy_and_released_after_it() -> None:
    rig = Rig(SOCKET)
    rig.lock = False
    rig.high_volts = C
    rig.run(2.0)
    assert rig.is_locked()
    assert rig.mode() is PilotMode.STEADY_HIGH
    assert rig.status.why_not == ("diode_not_proven", "lock_not_confirmed")
    rig.lock = None
    rig.run_until(rig.is_closed, 1.0)
    rig.permit = False
    rig.amps = (10.0,)
    rig.run(3.0)
    assert rig.is_locked()
    rig.amps = (0.0,)
    rig.run(0.1)
    assert not rig.is_closed()
    assert not rig.is_locked()
    assert rig.status.locked is False


def test_a_lock_that_never_gets_there_is_a_fault() -> None:
    rig = Rig(SOCKET)
    rig.lock = False
    rig.high_volts = C
    rig.run(4.0)
    assert rig.fault_codes == ["lock_failure"]
    assert not rig.is_closed()


def test_a_lock_that_opens_while_charging_ends_energy() -> None:
    rig = charging(SOCKET)
    rig.lock = False
    rig.amps = (0.0,)
    rig.run_until(lambda: not rig.is_closed(), 1.0)


def test_the_plug_is_not_locked_without_permission() -> None:
    rig = Rig(SOCKET)
    rig.permit = False
    rig.high_volts = B
    rig.run(1.0)
    assert not rig.is_locked()


def test_a_request_to_unlock_is_served_without_permission_and_refused_while_charging() -> None:
    rig = charging(SOCKET)
    rig.unlock_seq = 1
    rig.tick()
    assert (rig.status.unlock_seq, rig.status.unlocked) == (1, False)
    assert rig.is_locked()
    rig.permit = False
    rig.amps = (0.0,)
    rig.run(1.0)
    rig.unlock_seq = 2
    rig.run(0.1)
    assert (rig.status.unlock_seq, rig.status.unlocked) == (2, True)


def test_E09_FR_03_the_plug_of_an_owner_stays_locked_without_a_vehicle_until_it_is_asked_for() -> None:
    rig = charging(SOCKET)
    rig.permit, rig.hold_plug, rig.high_volts = False, True, A
    rig.run(5.0)
    assert rig.is_locked()
    rig.unlock_seq, rig.hold_plug = 1, False
    rig.run_until(lambda: not rig.is_locked(), 1.0)


def test_no_lock_is_driven_into_an_empty_socket() -> None:
    rig = Rig(SOCKET)
    rig.permit, rig.hold_plug, rig.cable_ohms, rig.cable_amps = False, True, 1e6, None
    rig.run(2.0)
    assert not rig.is_locked()


def test_unplugging_releases_the_lock() -> None:
    rig = charging(SOCKET)
    rig.high_volts, rig.amps = A, (0.0,)
    rig.run_until(lambda: not rig.is_locked(), 0.3)


def test_an_unknown_cable_gets_no_energy_and_a_changed_one_loses_it() -> None:
    rig = Rig(SOCKET)
    rig.cable_amps = None
    rig.high_volts = C
    rig.run(5.0)
    assert not rig.is_closed()
    assert rig.fault_codes == ["cable_invalid"]
    rig.cable_amps = 13.0
    rig.run_until(rig.is_closed, 1.0)
    assert rig.status.cable_amps == 13.0
    rig.cable_amps = 32.0
    rig.run_until(lambda: not rig.is_closed(), 0.6)
    assert rig.fault_codes == ["cable_changed"]
