"""The controller as a whole: how a charge begins, obeys and ends, and what must hold in every tick whatever happens."""

import math

import msgspec
import pytest

from chargerd.clock import ManualClock
from chargerd.evse.controller import DUTY_UP_S, Controller
from chargerd.evse.faults import TABLE, FaultCode, Origin
from chargerd.evse.types import EvseStatus, Readings
from chargerd.limits import Limit
from hal.types import EvseFacts, Indication, MeterSample, PilotMode
from tests.chargerd.evse.invariants import walk
from tests.chargerd.evse.rig import PLAIN, SOCKET, TICK_S, A, B, C, D, E, Rig


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


TAKE_LONGER = {FaultCode.RESIDUAL_DC_AGAIN, FaultCode.LATCH_BROKEN}
"""Faults that need one thing to happen several times in a row."""


def test_the_invariants_hold_in_150_000_steps_of_random_walks_that_reach_every_fault() -> None:
    # Most of them in coarse ticks, for what takes minutes.
    tallies = [walk(seed, 12_500, chaotic=False, tick_s=0.02 if seed < 4 else 0.2) for seed in range(12)]
    assert all(tally.closings for tally in tallies)  # a walk in which energy never flows would prove nothing
    assert sum(tally.closings for tally in tallies) > 80
    assert sum(tally.soft_stops for tally in tallies) > 50
    seen = {code for tally in tallies for code in tally.faults_seen}
    expected = {row.code for row in TABLE if row.origin is Origin.CHARGING} - TAKE_LONGER
    assert expected <= seen, sorted(expected - seen)


@pytest.mark.parametrize("seed", range(5))
def test_no_nonsense_makes_a_step_raise_or_break_an_invariant_in_100_000_steps(seed: int) -> None:
    assert walk(seed, 20_000, chaotic=True).steps == 20_000
