"""The controller as a whole: how a charge begins, obeys and ends, and what must hold in every tick whatever happens."""

import math

import msgspec
import pytest

from chargerd.clock import ManualClock
from chargerd.evse.controller import DUTY_UP_S, SOFT_STOP_S, Controller
from chargerd.evse.faults import FaultCode
from chargerd.evse.guard import RECLOSE_S
from chargerd.evse.types import EvseStatus, PilotState, Readings
from chargerd.limits import Limit
from hal.types import EvseFacts, Indication, MeterSample, PilotMode
from tests.chargerd.evse.invariants import walk
from tests.chargerd.evse.plant_rig import PlantRig
from tests.chargerd.evse.rig import PLAIN, SOCKET, TICK_S, A, B, C, D, E, Rig

PERMISSION_GOES = [
    ("permit", False),
    ("available", False),
    ("limits", (Limit("csms", 5.9),)),
    ("limits", (Limit("csms", 0.0),)),
    ("limits", (Limit("csms", math.nan),)),
]


def charging(facts: EvseFacts = PLAIN) -> Rig:
    rig = Rig(facts)
    rig.charge()
    return rig


# ---- A charge begins ---------------------------------------------------------------------------------------------


def test_at_the_start_everything_is_off_before_anything_is_known() -> None:
    clock = ManualClock()
    controller = Controller(1, PLAIN)
    outputs = controller.step(Readings(), None, clock.now())
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
    rig.run(0.2)
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
    rig = Rig()
    rig.high_volts = C
    rig.run_until(rig.is_closed, 3.0)
    assert rig.status.plug_count == 1


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
    assert rig.fault_codes == ["ev_overdraw"]
    rig.amps = (0.0,)
    rig.run(30.0)
    assert not rig.is_closed()


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


def test_a_meter_that_falls_silent_ends_energy_after_5_seconds_and_is_a_fault_later() -> None:
    rig = charging()
    rig.meter_speaks = False
    rig.run(4.9)
    assert rig.is_closed()
    waited = rig.run_until(lambda: not rig.is_closed(), 6.3)
    assert waited >= SOFT_STOP_S
    assert rig.fault_codes == ["meter_silent"]
    rig.meter_speaks = True
    rig.amps = (0.0,)
    rig.run_until(rig.is_closed, RECLOSE_S + 1.0)
    assert rig.fault_codes == []


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


@pytest.mark.parametrize("trip", ["tripped_ac", "tripped_dc"])
def test_a_residual_trip_opens_in_the_same_tick_and_stays_until_unplugged(trip: str) -> None:
    rig = charging(SOCKET)
    setattr(rig, trip, True)
    rig.tick()
    assert not rig.is_closed()
    setattr(rig, trip, False)
    rig.amps = (0.0,)
    rig.run(60.0)
    assert not rig.is_closed()
    assert len(rig.fault_codes) == 1
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
    rig.run(20.0)
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


def test_after_opening_the_contactor_stays_open_for_5_seconds() -> None:
    rig = charging()
    rig.high_volts = B
    rig.run_until(lambda: not rig.is_closed(), 0.1)
    rig.amps = (0.0,)
    rig.high_volts = C
    waited = rig.run_until(rig.is_closed, 6.0)
    assert RECLOSE_S - TICK_S <= waited <= RECLOSE_S + TICK_S
    assert rig.status.contactor_cycles == 2


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


def test_unplugging_releases_the_lock() -> None:
    rig = charging(SOCKET)
    rig.high_volts, rig.amps = A, (0.0,)
    rig.run_until(lambda: not rig.is_locked(), 0.1)


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


# ---- What is told ----------------------------------------------------------------------------------------------------


def test_edges_are_counted_with_the_meters_register() -> None:
    rig = Rig()
    rig.energy_wh = 1000.0
    rig.charge()
    assert (rig.status.plug_count, rig.status.plugged_wh) == (1, 1000.0)
    assert (rig.status.energy_on_count, rig.status.energy_on_wh) == (1, 1000.0)
    off_wh = [rig.status.energy_off_wh]
    rig.energy_wh = 2500.0
    rig.permit, rig.amps = False, (0.0,)
    rig.run(0.2)
    off_wh.append(rig.status.energy_off_wh)
    assert off_wh == [None, 2500.0]
    rig.permit = True
    rig.run(6.0)
    assert (rig.status.energy_on_count, rig.status.energy_on_wh) == (2, 2500.0)
    rig.high_volts = A
    rig.run(0.5)
    rig.meter_speaks = False
    rig.run(6.0)
    rig.high_volts = B
    rig.run(0.5)
    assert (rig.status.plug_count, rig.status.plugged_wh) == (2, None)


def test_a_blink_of_the_feedback_is_not_a_second_charge() -> None:
    rig = charging()
    rig.feedback = False
    rig.run(0.1)
    rig.feedback = None
    rig.run(1.0)
    assert rig.is_closed()
    assert rig.status.energy_on_count == 1


def test_indication_passes_through_unless_faulted() -> None:
    rig = charging()
    assert rig.indication() is Indication.CHARGING
    rig.high_volts = E
    rig.run(0.3)
    assert rig.indication() is Indication.FAULTED


def test_the_status_of_a_new_controller_says_nothing_is_known() -> None:
    clock = ManualClock()
    status = Controller(2, PLAIN).status(clock.now())
    assert status == EvseStatus(evse_id=2, pilot_since_mono=clock.monotonic())


def test_a_sample_that_cannot_be_true_is_shown_but_not_believed() -> None:
    rig = charging()
    bad = MeterSample(rig.now_mono, math.nan, 0.0, (0.0,), (230.0,))
    rig.sample = lambda: bad  # type: ignore[method-assign]
    rig.tick()
    assert "meter_missing" in rig.status.why_not


def test_a_status_travels_as_json_and_comes_back_equal() -> None:
    rig = charging(SOCKET)
    assert msgspec.json.decode(msgspec.json.encode(rig.status), type=EvseStatus) == rig.status


# ---- Whatever happens ------------------------------------------------------------------------------------------------


def test_the_invariants_hold_in_150_000_steps_of_random_walks_that_reach_every_fault() -> None:
    tallies = [walk(seed, 15_000, chaotic=False) for seed in range(10)]
    for tally in tallies:
        assert tally.closings > 3  # a walk in which energy never flows would prove nothing
    assert sum(tally.soft_stops for tally in tallies) > 50
    seen = {code for tally in tallies for code in tally.faults_seen}
    assert set(FaultCode) <= seen, sorted(set(FaultCode) - seen)


@pytest.mark.parametrize("seed", range(5))
def test_no_nonsense_makes_a_step_raise_or_break_an_invariant_in_100_000_steps(seed: int) -> None:
    assert walk(seed, 20_000, chaotic=True).steps == 20_000


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
