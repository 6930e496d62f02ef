"""When the contactor closes and how it opens: softly, at once, as its feedback says, and on the simulated plant."""

import math

import pytest

from chargerd.evse.contactor import RECLOSE_AFTER_FAULT_S, RECLOSE_S, SOFT_STOP_S, Contactor
from chargerd.evse.situation import Situation
from chargerd.evse.types import PilotState
from chargerd.limits import Limit
from hal.types import Alarm, EvseFacts, Indication, MeterSample, PilotMode
from tests.chargerd.evse.plant_rig import PlantRig
from tests.chargerd.evse.rig import PLAIN, SOCKET, TICK_S, A, B, C, E, Rig, charging

PERMISSION_GOES = [
    ("permit", False),
    ("available", False),
    ("limits", (Limit("csms", 5.9),)),
    ("limits", (Limit("csms", 0.0),)),
    ("limits", (Limit("csms", math.nan),)),
]


# ---- Soft stop -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("knob, value", PERMISSION_GOES)
def test_when_permission_goes_the_offer_ends_at_once_and_the_contactor_opens_without_current(
    knob: str, value: object
) -> None:
    rig = charging()
    setattr(rig, knob, value)
    rig.tick()
    assert rig.mode() is PilotMode.STEADY_HIGH
    assert rig.outputs.duty_percent == 100.0
    assert rig.is_closed()
    rig.run(2.0)
    assert rig.is_closed()
    rig.amps = (0.9, 0.9, 0.9)
    rig.tick()
    assert not rig.is_closed()
    assert rig.fault_codes == []


@pytest.mark.parametrize("knob, value", PERMISSION_GOES)
def test_table_A_6_a_vehicle_that_does_not_stop_is_cut_off_after_6_seconds(knob: str, value: object) -> None:
    rig = charging()
    setattr(rig, knob, value)
    waited = rig.run_until(lambda: not rig.is_closed(), 7.0)
    assert SOFT_STOP_S <= waited <= SOFT_STOP_S + 2 * TICK_S


def test_without_a_meter_the_soft_stop_takes_its_6_seconds() -> None:
    rig = charging(EvseFacts(max_amps=32.0, phases=3, has_meter=False))
    rig.permit = False
    waited = rig.run_until(lambda: not rig.is_closed(), 7.0)
    assert SOFT_STOP_S <= waited <= SOFT_STOP_S + 2 * TICK_S


def test_a_sample_from_before_the_stop_does_not_open() -> None:
    rig = charging()
    rig.amps = (0.0, 0.0, 0.0)
    rig.tick()
    idle = rig.sample()
    rig.permit = False
    rig.sample = lambda: idle  # type: ignore[method-assign]
    waited = rig.run_until(lambda: not rig.is_closed(), 7.0)
    assert waited >= SOFT_STOP_S - 2 * TICK_S


def test_the_vehicle_that_leaves_C_during_the_soft_stop_opens_the_contactor() -> None:
    rig = charging()
    rig.permit = False
    rig.run(1.0)
    rig.high_volts = B
    rig.run_until(lambda: not rig.is_closed(), 0.06)


def test_permission_that_returns_during_the_soft_stop_resumes_without_opening() -> None:
    rig = charging()
    rig.permit = False
    rig.run(5.0)
    rig.permit = True
    rig.tick()
    assert rig.mode() is PilotMode.PWM
    rig.run(3.0)
    assert rig.is_closed()
    rig.permit = False
    rig.run(5.0)
    assert rig.is_closed()


def test_orders_that_lapse_end_energy_by_the_soft_stop() -> None:
    rig = charging()
    rig.orders_come = False
    rig.run(29.9)
    assert rig.is_closed()
    waited = rig.run_until(lambda: not rig.is_closed(), 6.3)
    assert waited >= SOFT_STOP_S
    assert "no_orders" in rig.status.why_not
    assert rig.indication() is Indication.UNAVAILABLE
    rig.amps = (0.0,)
    rig.orders_come = True
    rig.run_until(rig.is_closed, RECLOSE_S + 1.0)


def test_a_meter_that_falls_silent_ends_energy_and_is_a_fault_within_3_seconds() -> None:
    rig = charging()
    rig.meter_speaks = False
    rig.run(2.46)
    assert rig.mode() is PilotMode.PWM
    assert rig.run_until(lambda: rig.mode() is PilotMode.STEADY_HIGH, 0.1) > 0
    assert rig.fault_codes == []
    rig.run(0.42)
    assert rig.fault_codes == ["meter_silent"]
    waited = rig.run_until(lambda: not rig.is_closed(), 6.3)
    assert waited >= SOFT_STOP_S - 0.5
    rig.meter_speaks = True
    rig.amps = (0.0,)
    rig.run(1.0)
    assert rig.fault_codes == []
    rig.run_until(rig.is_closed, RECLOSE_AFTER_FAULT_S)


def test_a_single_lost_answer_of_the_meter_does_not_stop_a_charge() -> None:
    rig = charging()
    for _ in range(5):
        rig.meter_speaks = False
        rig.run(2.4)
        rig.meter_speaks = True
        rig.run(0.1)
        assert rig.status.why_not == ()


# ---- Immediate opening ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("volts", [A, B, E, 20.0, -5.0, -12.0, math.nan, math.inf])
def test_table_A_6_loss_of_state_C_opens_within_100_ms(volts: float) -> None:
    rig = charging()
    rig.high_volts = volts
    assert rig.run_until(lambda: not rig.is_closed(), 0.1) <= 0.04


def test_a_pilot_that_falls_silent_opens_just_after_100_ms() -> None:
    rig = charging()
    rig.pilot_speaks = False
    assert rig.run_until(lambda: not rig.is_closed(), 0.14) >= 0.1
    rig.run(2.0)
    assert rig.fault_codes == ["pilot_silent"]
    assert rig.status.ev_connected
    assert rig.status.pilot_state is PilotState.UNKNOWN


def test_after_a_loop_that_stood_still_longer_than_the_relay_lease_the_contactor_counts_as_opened() -> None:
    rig = charging()
    rig.clock.advance(0.9)
    rig.tick()
    assert rig.is_closed()
    rig.clock.advance(1.1)
    assert not rig.tick().relay_closed
    rig.amps = (0.0,)
    assert rig.run_until(rig.is_closed, 6.0) >= RECLOSE_S - TICK_S


def test_an_ac_residual_trip_opens_in_the_same_tick_and_stays_until_unplugged() -> None:
    rig = charging(SOCKET)
    rig.tripped_ac = True
    rig.tick()
    assert not rig.is_closed()
    rig.tripped_ac = False
    rig.amps = (0.0,)
    rig.run(60.0)
    assert not rig.is_closed()
    assert rig.fault_codes == ["residual_ac"]
    rig.high_volts = A
    rig.run(1.0)
    assert rig.fault_codes == []
    rig.charge()


def test_a_dc_residual_trip_opens_in_the_same_tick_and_is_tried_again_after_5_minutes_three_times() -> None:
    rig = charging(SOCKET)
    for _ in range(3):
        rig.tripped_dc = True
        rig.tick()
        assert not rig.is_closed()
        rig.tripped_dc = False
        rig.amps = (0.0,)
        rig.run(0.1)
        assert rig.fault_codes == ["residual_dc"]
        rig.clock.advance(298.0)
        rig.run(1.0)
        assert not rig.is_closed()
        rig.run_until(rig.is_closed, 2.0)
        rig.run(0.5)
    rig.tripped_dc = True
    rig.run(0.1)
    rig.tripped_dc = False
    assert rig.fault_codes == ["residual_dc_again"]
    rig.clock.advance(10_000.0)
    rig.run(5.0)
    assert not rig.is_closed()
    rig.high_volts = A
    rig.run(1.0)
    rig.charge()


def test_too_hot_opens_in_the_same_tick_and_resumes_when_cool() -> None:
    rig = charging(SOCKET)
    rig.celsius = 66.0
    rig.tick()
    assert not rig.is_closed()
    rig.amps = (0.0,)
    rig.celsius = 60.0
    rig.run(RECLOSE_AFTER_FAULT_S + 1.0)
    assert not rig.is_closed()
    rig.celsius = 50.0
    rig.run_until(rig.is_closed, 1.0)


@pytest.mark.parametrize("knob", ["residual_speaks", "feedback_speaks"])
def test_a_silent_safety_device_opens(knob: str) -> None:
    rig = charging(SOCKET)
    setattr(rig, knob, False)
    rig.run_until(lambda: not rig.is_closed(), 0.3)
    rig.amps = (0.0,)
    rig.run(6.0)
    assert "device_silent" in rig.fault_codes


def test_after_a_normal_opening_the_contactor_stays_open_for_5_seconds() -> None:
    rig = charging()
    rig.high_volts = B
    rig.run_until(lambda: not rig.is_closed(), 0.1)
    rig.amps = (0.0,)
    rig.high_volts = C
    waited = rig.run_until(rig.is_closed, 6.0)
    assert RECLOSE_S - TICK_S <= waited <= RECLOSE_S + TICK_S
    assert rig.status.contactor_cycles == 2
    assert rig.status.opened_by == ("ev_not_ready",)


def test_after_opening_by_a_fault_the_contactor_stays_open_for_30_seconds() -> None:
    rig = charging()
    rig.alarms = (Alarm.NO_GROUND,)
    assert not rig.tick().relay_closed
    assert rig.status.opened_by == ("fault:no_ground",)
    rig.alarms = ()
    rig.amps = (0.0,)
    waited = rig.run_until(rig.is_closed, 31.0)
    assert RECLOSE_AFTER_FAULT_S - TICK_S <= waited <= RECLOSE_AFTER_FAULT_S + TICK_S


def test_an_opening_whose_fault_is_named_only_later_is_one_by_a_fault() -> None:
    rig = charging()
    rig.pilot_speaks = False
    rig.run_until(lambda: not rig.is_closed(), 0.2)
    rig.amps = (0.0,)
    rig.run(2.0)
    assert rig.fault_codes == ["pilot_silent"]
    rig.pilot_speaks = True
    assert rig.run_until(rig.is_closed, 31.0) > RECLOSE_AFTER_FAULT_S - 3.0


def test_a_fault_long_after_the_contactor_opened_delays_nothing() -> None:
    rig = charging()
    rig.high_volts = B
    rig.amps = (0.0,)
    rig.run(10.0)
    rig.alarms = (Alarm.NO_GROUND,)
    rig.run(1.0)
    rig.alarms = ()
    rig.high_volts = C
    rig.run_until(rig.is_closed, 1.0)


def test_a_start_counts_as_an_opening() -> None:
    rig = Rig(booting=True)
    rig.high_volts = C
    waited = rig.run_until(rig.is_closed, 6.0)
    assert RECLOSE_S - TICK_S <= waited <= RECLOSE_S + 2 * TICK_S


def test_a_loop_that_stood_still_is_named_and_raises_no_suspicion_of_a_weld() -> None:
    rig = charging()
    rig.clock.advance(1.1)
    rig.feedback = True  # the contacts are still on their way
    rig.tick()
    rig.run(0.1)
    rig.feedback = None
    rig.run(1.0)
    assert rig.fault_codes == []
    assert "stood_still" in rig.status.opened_by


def test_a_loop_that_stood_still_for_a_minute_is_a_normal_opening_and_blames_no_device() -> None:
    rig = charging(SOCKET)
    stale = rig.sample()
    rig.clock.advance(60.0)
    rig.sample = lambda: stale  # type: ignore[method-assign]
    rig.amps = (0.0,)
    rig.run(1.0)
    assert not rig.is_closed()
    assert rig.fault_codes == []
    del rig.sample
    assert rig.run_until(rig.is_closed, RECLOSE_S) > RECLOSE_S - 1.1


def test_a_loop_that_stood_still_right_after_closing_raises_no_suspicion_of_a_dead_contactor() -> None:
    rig = Rig()
    rig.feedback = False
    rig.high_volts = C
    rig.run_until(rig.is_closed, 3.0)
    rig.tick()
    rig.clock.advance(1.1)
    rig.tick()
    rig.feedback = None
    rig.run(1.0)
    assert rig.fault_codes == []


def test_a_vehicle_that_was_cut_off_under_load_is_told_until_energy_flows_again() -> None:
    rig = charging()
    rig.permit = False
    rig.run(SOFT_STOP_S + 0.1)
    assert not rig.is_closed()
    assert rig.fault_codes == ["ev_does_not_stop"]
    assert rig.indication() is Indication.CHARGING
    rig.amps = (0.0,)
    rig.permit = True
    rig.run_until(rig.is_closed, 6.0)
    rig.run(0.1)
    assert rig.fault_codes == []


def test_a_vehicle_that_stopped_or_that_nobody_measures_was_not_cut_off() -> None:
    rig = charging(EvseFacts(max_amps=32.0, phases=3, has_meter=False))
    rig.permit = False
    rig.run(SOFT_STOP_S + 1.0)
    assert rig.fault_codes == []
    rig = charging()
    rig.permit = False
    rig.run(3.0)
    rig.amps = (0.99,)
    rig.run(1.0)
    assert not rig.is_closed()
    assert rig.fault_codes == []


def test_a_vehicle_that_leaves_C_in_the_last_moment_of_the_soft_stop_was_not_cut_off() -> None:
    rig = charging()
    rig.permit = False
    rig.run(5.9)
    rig.high_volts = B
    rig.run(0.3)
    assert not rig.is_closed()
    assert rig.fault_codes == []


# ---- Contactor feedback --------------------------------------------------------------------------------------------


def test_a_contactor_that_does_not_close_is_released_after_250_ms_and_latched() -> None:
    rig = Rig()
    rig.feedback = False
    rig.high_volts = C
    rig.run_until(rig.is_closed, 3.0)
    waited = rig.run_until(lambda: not rig.is_closed(), 0.4)
    assert 0.25 <= waited <= 0.3
    assert rig.fault_codes == ["contactor_no_close"]
    assert rig.status.energy_on_count == 0
    rig.run(60.0)
    assert rig.status.contactor_cycles == 1


def test_a_welded_contactor_is_found_after_250_ms_and_the_plug_stays_locked() -> None:
    rig = charging(SOCKET)
    rig.feedback = True
    rig.permit = False
    rig.amps = (0.0,)
    rig.run_until(lambda: not rig.is_closed(), 1.0)
    waited = rig.run_until(lambda: bool(rig.fault_codes), 0.4)
    assert 0.24 <= waited <= 0.3
    assert rig.fault_codes == ["contactor_welded"]
    rig.unlock_seq += 1
    rig.run(10.0)
    assert rig.is_locked()
    assert rig.status.unlocked is False


def test_a_contactor_welded_at_boot_is_found() -> None:
    rig = Rig()
    rig.feedback = True
    rig.run(0.4)
    assert rig.fault_codes == ["contactor_welded"]
    rig.high_volts = C
    rig.run(10.0)
    assert not rig.is_closed()


def test_a_board_without_feedback_charges_and_counts_by_its_command() -> None:
    rig = charging(EvseFacts(max_amps=32.0, phases=3, has_feedback=False))
    assert rig.status.relay_closed is None
    assert rig.status.energy_on_count == 1


# ---- On the simulated plant ----------------------------------------------------------------------------------------


def test_a_day_on_the_simulated_plant() -> None:
    rig = PlantRig()
    rig.run(1.0)
    rig.evse.plug_in()
    rig.run(2.0)
    rig.evse.ev_ready()
    rig.run(10.0)
    assert rig.is_closed()
    assert max(rig.measured_amps()) == pytest.approx(16.0, abs=0.5)
    rig.limit_amps = 10.0
    rig.run(8.0)
    assert max(rig.measured_amps()) == pytest.approx(10.0, abs=0.5)
    rig.permit = False
    rig.run(8.0)
    assert not rig.is_closed()
    assert rig.status.faults == ()
    rig.permit = True
    rig.run(20.0)
    assert rig.is_closed()
    rig.evse.plug_out(force=True)
    rig.run(1.0)
    assert not rig.is_closed()
    assert rig.status.pilot_state is PilotState.A
    assert (rig.status.plug_count, rig.status.energy_on_count) == (1, 2)


def test_a_weld_on_the_plant_is_named_and_the_plug_stays_locked_until_it_is_mended() -> None:
    rig = PlantRig()
    rig.charge()
    rig.evse.fault("weld_relay")
    rig.permit = False
    rig.run(8.0)
    assert [fault.code for fault in rig.status.faults] == ["contactor_welded"]
    assert rig.evse.locked
    rig.evse.plug_out(force=True)
    rig.run(5.0)
    assert [fault.code for fault in rig.status.faults] == ["contactor_welded"]
    assert rig.evse.locked  # nobody plugs into a live socket
    rig.evse.clear_fault("weld_relay")
    rig.run(1.0)
    assert rig.status.faults == ()
    assert not rig.evse.locked


def test_a_glitch_on_the_plant_opens_but_ends_no_session() -> None:
    rig = PlantRig()
    rig.charge()
    rig.evse.fault("glitch", 150.0)
    rig.run(1.0)
    assert rig.status.ev_connected
    rig.run(15.0)
    assert rig.is_closed()
    assert rig.status.plug_count == 1


@pytest.mark.parametrize("quirk", ["ignores_limit", "slow_to_follow"])
def test_a_vehicle_of_the_plant_that_does_not_obey_is_stopped(quirk: str) -> None:
    rig = PlantRig()
    rig.limit_amps = 32.0
    rig.charge(quirk)
    rig.run(80.0)  # a slow vehicle needs more than a minute to take all it may
    rig.limit_amps = 8.0
    rig.run(9.0)
    assert not rig.is_closed()
    assert [fault.code for fault in rig.status.faults] == ["ev_overdraw"]


@pytest.mark.parametrize("quirk", ["never_stops", "stops_slowly"])
def test_a_vehicle_of_the_plant_that_does_not_stop_is_cut_off(quirk: str) -> None:
    rig = PlantRig()
    rig.limit_amps = 32.0
    rig.charge(quirk)
    rig.permit = False
    rig.run(5.9)
    assert rig.is_closed()
    rig.run(0.2)
    assert not rig.is_closed()


@pytest.mark.parametrize("quirk", ["bounces", "ventilation", "no_diode"])
def test_a_vehicle_of_the_plant_that_never_asks_properly_gets_no_lasting_energy(quirk: str) -> None:
    rig = PlantRig()
    rig.evse.plug_in(quirks=[quirk])
    rig.evse.ev_ready()
    rig.run(60.0)
    assert rig.status.contactor_cycles <= 12  # the re-close interval bounds the wear
    assert rig.status.meter is not None
    assert max(rig.status.meter.amps) < 4.0


# ---- On the edge -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "amps, at_mono, now_mono, closed, cut_off",
    [
        (0.99, 1.0, 1.0, True, False),  # taken when the stop began, not after
        (0.99, 1.1, 2.0, False, False),
        (1.0, 1.1, 2.0, True, False),
        (1.0, 1.1, 7.0, False, True),
        (0.99, 1.0, 7.0, False, False),
    ],
)
def test_the_soft_stop_ends_below_1_ampere_or_after_6_seconds_and_only_more_is_a_cut(
    amps: float, at_mono: float, now_mono: float, closed: bool, cut_off: bool
) -> None:
    contactor = Contactor()
    contactor.start(0.0)
    contactor.drive((), Situation(facts=PLAIN, now_mono=0.5))
    contactor.drive(("not_permitted",), Situation(facts=PLAIN, now_mono=1.0))
    sample = MeterSample(at_mono, 0.0, 0.0, (amps,), ())
    contactor.drive(("not_permitted",), Situation(facts=PLAIN, now_mono=now_mono, meter=sample))
    assert (contactor.closed, contactor.cut_off) == (closed, cut_off)
