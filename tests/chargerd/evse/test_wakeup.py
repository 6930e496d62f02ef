"""The wake-up ladder: when a rung is taken, how it is bounded, what it must not touch, and vehicles that need it."""

import msgspec
import pytest

from chargerd.evse.types import PilotState
from chargerd.evse.wakeup import (
    FAR_AWAKE_S,
    FIRST_S,
    MOST_TOGGLES,
    NEXT_S,
    NOT_CHARGING_S,
    PULSE_S,
    SAME_OFFER_S,
    SETTLE_S,
)
from chargerd.limits import Limit
from hal.types import EvseFacts, PilotMode, WakeUp
from tests.chargerd.evse.plant_rig import PlantRig
from tests.chargerd.evse.rig import LONG_TICK_S, SOCKET, TICK_S, A, B, C, E, F, Rig

PLAIN = EvseFacts(max_amps=32.0, phases=3, can_disconnect=True)
BY_X1 = msgspec.structs.replace(PLAIN, can_disconnect=False)
WITH_F = msgspec.structs.replace(PLAIN, wake_up=WakeUp.STATE_F)
OFF = msgspec.structs.replace(PLAIN, wake_up=WakeUp.OFF)
CUT, X1, PWM, LOW = PilotMode.DISCONNECTED, PilotMode.STEADY_HIGH, PilotMode.PWM, PilotMode.STEADY_LOW
SLACK_S = 3 * TICK_S


def sleeping(facts: EvseFacts = PLAIN) -> Rig:
    """A vehicle in B, offered current just now."""
    rig = Rig(facts)
    rig.high_volts = B
    rig.run_until(lambda: rig.mode() is PWM, 1.0)
    return rig


def modes(rig: Rig, seconds: float, tick_s: float = TICK_S) -> list[tuple[PilotMode, float]]:
    """What the pilot shows for the next seconds: (mode, how long) in turn."""
    seen: list[tuple[PilotMode, float]] = [(rig.mode(), 0.0)]
    for _ in range(round(seconds / tick_s)):
        rig.tick(tick_s)
        mode, lasted_s = seen[-1]
        if rig.mode() is mode:
            seen[-1] = (mode, lasted_s + tick_s)
        else:
            seen.append((rig.mode(), tick_s))
    return seen


def lengths(seen: list[tuple[PilotMode, float]], mode: PilotMode) -> list[float]:
    return [lasted_s for one, lasted_s in seen if one is mode]


def blind_volts(rig: Rig) -> None:
    """As a real board reads it: its own open end while the pilot is cut off, -12 V at state F."""
    rig.high_volts = {CUT: A, LOW: F}.get(rig.mode(), B)


# ---- The rungs -------------------------------------------------------------------------------------------------------


def test_after_60_seconds_in_B_the_pilot_is_cut_off_for_4_seconds_then_rests_1_and_offers_again() -> None:
    rig = sleeping()
    seen = modes(rig, FIRST_S + PULSE_S + SETTLE_S + 10.0)
    assert [mode for mode, _ in seen] == [PWM, CUT, X1, PWM]
    assert [lasted_s for _, lasted_s in seen[:3]] == pytest.approx([FIRST_S, PULSE_S, SETTLE_S], abs=SLACK_S)
    assert rig.status.wake_ups == 1


def test_a_board_that_cannot_cut_the_pilot_off_takes_the_offer_away_for_4_seconds() -> None:
    seen = modes(sleeping(BY_X1), FIRST_S + PULSE_S + 10.0)
    assert [mode for mode, _ in seen] == [PWM, X1, PWM]
    assert seen[1][1] == pytest.approx(PULSE_S, abs=SLACK_S)


def test_only_once_more_after_30_seconds_and_then_no_more() -> None:
    rig = sleeping()
    seen = modes(rig, 150.0)
    assert lengths(seen, CUT) == pytest.approx([PULSE_S, PULSE_S], abs=SLACK_S)
    assert lengths(seen, PWM)[1] == pytest.approx(NEXT_S, abs=SLACK_S)
    assert lengths(seen, LOW) == []
    assert rig.status.wake_ups == 2
    assert rig.mode() is PWM


def test_state_F_comes_third_and_once_where_the_board_says_so() -> None:
    rig = sleeping(WITH_F)
    seen = modes(rig, 150.0)
    assert [mode for mode, _ in seen] == [PWM, CUT, X1, PWM, CUT, X1, PWM, LOW, X1, PWM]
    assert lengths(seen, LOW) == pytest.approx([PULSE_S], abs=SLACK_S)
    assert rig.status.wake_ups == 3
    rig.rest(1.1 * FAR_AWAKE_S)
    assert rig.status.wake_ups == 3


def test_state_F_does_not_come_within_an_hour_of_the_last_state_C() -> None:
    rig = sleeping(WITH_F)
    rig.high_volts = C
    rig.run(10.0)
    rig.high_volts, rig.permit = B, False
    rig.run(10.0)
    rig.permit = True
    assert lengths(modes(rig, 300.0, LONG_TICK_S), LOW) == []
    rig.permit = False
    rig.rest(FAR_AWAKE_S)
    rig.permit = True
    rig.tick()
    assert len(lengths(modes(rig, 300.0, LONG_TICK_S), LOW)) == 1
    rig.permit = False
    rig.run(1.0)
    rig.permit = True
    assert lengths(modes(rig, 300.0, LONG_TICK_S), LOW) == []  # nor within an hour of the last one


def test_the_next_vehicle_may_get_state_F_at_once() -> None:
    rig = sleeping(WITH_F)
    assert len(lengths(modes(rig, 200.0, LONG_TICK_S), LOW)) == 1
    rig.high_volts = A
    rig.run(1.0)
    rig.high_volts = B
    assert len(lengths(modes(rig, 200.0, LONG_TICK_S), LOW)) == 1


@pytest.mark.parametrize("facts, wake_up", [(OFF, True), (PLAIN, False), (WITH_F, False)])
def test_switched_off_by_the_board_or_the_orders_nothing_is_done(facts: EvseFacts, wake_up: bool) -> None:
    rig = sleeping(facts)
    rig.wake_up = wake_up
    rig.rest(300.0)
    assert rig.status.wake_ups == 0
    assert rig.mode() is PWM


# ---- Never against anybody ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("knob, value", [("permit", False), ("available", False), ("limits", (Limit("csms", 0.0),))])
def test_a_vehicle_is_never_woken_while_nothing_is_offered(knob: str, value: object) -> None:
    rig = Rig(WITH_F)
    setattr(rig, knob, value)
    rig.high_volts = B
    rig.rest(1000.0)
    assert rig.status.wake_ups == 0


def test_the_clock_starts_with_the_offer() -> None:
    rig = Rig(PLAIN)
    rig.permit, rig.high_volts = False, B
    rig.rest(500.0)
    rig.permit = True
    rig.tick()
    assert modes(rig, FIRST_S + 1.0)[0][1] == pytest.approx(FIRST_S, abs=SLACK_S)


def test_a_vehicle_that_asked_for_energy_under_this_offer_is_awake_whatever_it_does_next() -> None:
    rig = sleeping()
    rig.high_volts = C
    rig.run(10.0)
    rig.high_volts = B
    rig.rest(1000.0)
    assert rig.status.wake_ups == 0
    assert rig.fault_codes == []


def test_after_giving_up_an_offer_that_is_taken_away_and_given_anew_starts_from_the_first_rung() -> None:
    rig = sleeping()
    rig.rest(300.0)
    assert rig.status.wake_ups == 2
    rig.permit = False
    rig.run(1.0)
    rig.permit = True
    rig.tick()
    assert modes(rig, FIRST_S + 1.0)[0][1] == pytest.approx(FIRST_S, abs=SLACK_S)
    assert rig.status.wake_ups == 3


def test_an_offer_that_was_gone_for_a_moment_is_the_same_one_and_the_ladder_goes_on() -> None:
    """A loop that is late for a moment finds its readings stamped in the future, which takes the offer away."""
    rig = sleeping()
    since_mono = rig.now_mono
    for after_s in (FIRST_S - 1.0, FIRST_S + 20.0, 140.0):
        rig.run(after_s - (rig.now_mono - since_mono))
        rig.feedback_speaks = False
        rig.tick(SAME_OFFER_S - 2 * TICK_S)
        assert rig.mode() is X1
        rig.feedback_speaks = True
        rig.tick()
        assert rig.mode() is PWM
    assert rig.status.wake_ups == 2
    rig.run_until(lambda: rig.fault_codes == ["ev_not_charging"], 100.0)
    rungs_s = FIRST_S + NEXT_S + 2 * (PULSE_S + SETTLE_S)
    assert rig.now_mono - since_mono == pytest.approx(rungs_s + NOT_CHARGING_S, abs=0.2)
    assert rig.status.wake_ups == 2


def test_a_gap_that_ends_a_rung_counts_it_and_the_vehicle_is_waited_for_anew() -> None:
    rig = sleeping()
    rig.run_until(lambda: rig.mode() is CUT, FIRST_S + 1.0)
    rig.feedback_speaks = False
    rig.tick()
    assert rig.mode() is X1
    rig.feedback_speaks = True
    rig.tick()
    seen = modes(rig, NEXT_S + PULSE_S + 0.5)
    assert [mode for mode, _ in seen] == [PWM, CUT, X1]
    assert seen[0][1] == pytest.approx(NEXT_S, abs=SLACK_S)
    assert rig.status.wake_ups == 2


def test_the_next_vehicle_has_an_offer_of_its_own_however_soon_it_comes() -> None:
    rig = sleeping()
    rig.run(FIRST_S - 1.0)
    rig.high_volts = A
    rig.run(0.3)
    rig.high_volts = B
    rig.run_until(lambda: rig.mode() is PWM, 0.15)
    assert modes(rig, FIRST_S + 1.0)[0][1] == pytest.approx(FIRST_S, abs=SLACK_S)


def test_a_rung_ends_at_once_when_the_offer_is_withdrawn() -> None:
    rig = sleeping()
    rig.run_until(lambda: rig.mode() is CUT, FIRST_S + 1.0)
    rig.permit = False
    rig.tick()
    assert rig.mode() is X1
    assert not rig.status.waking


# ---- What is read meanwhile says nothing ----------------------------------------------------------------------------


@pytest.mark.parametrize("facts", [PLAIN, WITH_F])
def test_behind_a_pilot_that_is_cut_off_or_low_the_vehicle_counts_as_there_and_nothing_as_a_fault(
    facts: EvseFacts,
) -> None:
    rig = Rig(msgspec.structs.replace(facts, has_lock=True, has_proximity=True))
    rig.high_volts = B
    rig.run_until(lambda: rig.mode() is PWM, 2.0)
    blind_s = 0.0
    for _ in range(round(150.0 / TICK_S)):
        blind_volts(rig)
        rig.tick()
        blind_s += rig.mode() in (CUT, LOW)
        assert rig.status.ev_connected
        assert rig.status.pilot_state is PilotState.B
        assert rig.is_locked()
        assert not rig.is_closed()
        assert rig.status.faults == ()
    assert rig.status.plug_count == 1
    assert blind_s > 0


def test_an_unplug_behind_the_blind_pilot_is_seen_right_after() -> None:
    rig = sleeping()
    rig.run_until(lambda: rig.mode() is CUT, FIRST_S + 1.0)
    rig.high_volts = A
    waited = rig.run_until(lambda: not rig.status.ev_connected, PULSE_S + SETTLE_S + 1.0)
    assert PULSE_S + SETTLE_S <= waited <= PULSE_S + SETTLE_S + 0.4
    assert rig.mode() is X1
    assert rig.fault_codes == []


def test_the_diode_is_proven_anew_after_the_blind_time_before_anything_closes() -> None:
    rig = sleeping()
    rig.run_until(lambda: rig.mode() is CUT, FIRST_S + 1.0)
    rig.run_until(lambda: rig.mode() is PWM, 6.0)
    rig.high_volts, rig.low_volts = C, -6.0
    rig.run(2.0)
    assert not rig.is_closed()
    assert rig.fault_codes == ["diode"]


def test_nothing_closes_while_the_vehicle_is_woken_even_when_it_asks() -> None:
    rig = sleeping(BY_X1)
    rig.run_until(lambda: rig.status.waking, FIRST_S + 1.0)
    rig.high_volts = C
    rig.run(PULSE_S - 0.5)
    assert not rig.is_closed()
    assert rig.status.why_not == ("waking",)
    rig.run_until(rig.is_closed, 1.0)


def test_a_pilot_that_falls_silent_meanwhile_ends_the_rung() -> None:
    rig = sleeping()
    rig.run_until(lambda: rig.mode() is CUT, FIRST_S + 1.0)
    rig.pilot_speaks = False
    rig.run(0.2)
    assert rig.mode() is X1
    assert "pilot_missing" in rig.status.why_not


def test_a_short_circuit_behind_the_blind_pilot_is_found_right_after() -> None:
    rig = sleeping()
    rig.run_until(lambda: rig.mode() is CUT, FIRST_S + 1.0)
    rig.high_volts = E
    rig.run(PULSE_S + SETTLE_S + 0.3)
    assert rig.fault_codes == ["pilot_short"]


# ---- The vehicle asks the EVSE to wake (BCB) ------------------------------------------------------------------------


def toggle(rig: Rig, times: int, pulse_s: float = 0.24) -> None:
    for _ in range(times):
        rig.high_volts = C
        rig.run(pulse_s)
        rig.high_volts = B
        rig.run(0.5)


@pytest.mark.parametrize("pulse_s", [0.24, 0.5, 2.9])
def test_toggles_without_an_offer_are_counted_and_neither_close_nor_count_as_faults(pulse_s: float) -> None:
    rig = Rig(PLAIN)
    rig.permit, rig.high_volts = False, B
    rig.run(1.0)
    toggle(rig, 3, pulse_s)
    assert rig.status.toggles == 3
    assert rig.status.contactor_cycles == 0
    assert rig.fault_codes == []


@pytest.mark.parametrize("pulse_s", [0.1, 3.5])
def test_a_shorter_or_longer_C_is_no_toggle(pulse_s: float) -> None:
    rig = sleeping()
    toggle(rig, 2, pulse_s)
    assert rig.status.toggles == 0


def test_a_C_whose_level_drifts_to_the_edge_of_B_is_no_toggle() -> None:
    rig = sleeping()
    rig.high_volts = C
    rig.run(1.0)
    rig.high_volts = 7.5
    rig.run(1.0)
    assert (rig.status.pilot_state, rig.status.toggles) == (PilotState.C, 0)


def test_a_toggle_that_ends_in_an_unplug_is_none() -> None:
    rig = sleeping()
    rig.high_volts = C
    rig.run(0.5)
    rig.high_volts = A
    rig.run(0.5)
    assert rig.status.toggles == 0


def test_a_toggle_of_which_not_everything_was_seen_is_none() -> None:
    rig = sleeping()
    rig.high_volts = C
    rig.run(0.5)
    rig.pilot_speaks = False
    rig.run(0.3)
    rig.pilot_speaks, rig.high_volts = True, B
    rig.run(0.5)
    assert rig.status.toggles == 0


def test_toggles_too_short_to_be_energy_do_not_close_the_contactor() -> None:
    rig = sleeping()
    toggle(rig, 3, 0.24)
    assert rig.status.toggles == 3
    assert rig.status.contactor_cycles == 0


def test_a_toggle_under_the_offer_starts_the_clock_anew_but_only_three_times() -> None:
    rig = sleeping()
    for _ in range(MOST_TOGGLES):
        rig.run(FIRST_S - 5.0)
        toggle(rig, 1)
        assert rig.status.wake_ups == 0
    rig.run(FIRST_S - 5.0)
    toggle(rig, 1)
    rig.run(5.0)
    assert rig.status.wake_ups == 1


# ---- A vehicle that will not charge ---------------------------------------------------------------------------------


def test_a_vehicle_that_is_still_in_B_120_seconds_after_the_ladder_is_a_warning_until_it_asks() -> None:
    rig = sleeping()
    rig.rest(FIRST_S + NEXT_S + 2 * (PULSE_S + SETTLE_S) + NOT_CHARGING_S - 5.0)
    assert rig.fault_codes == []
    rig.rest(10.0)
    assert rig.fault_codes == ["ev_not_charging"]
    assert rig.mode() is PWM  # it tells, it does not act
    rig.permit = False
    rig.run(1.0)
    assert rig.fault_codes == ["ev_not_charging"]
    rig.permit, rig.high_volts = True, C
    rig.run_until(rig.is_closed, 2.0)
    rig.tick()
    assert rig.fault_codes == []


def test_the_warning_ends_with_the_vehicle() -> None:
    rig = sleeping(OFF)
    rig.rest(NOT_CHARGING_S + 2.0)
    assert rig.fault_codes == ["ev_not_charging"]
    rig.high_volts = A
    rig.run(1.0)
    assert rig.fault_codes == []


def test_a_vehicle_that_waits_for_permission_is_no_warning() -> None:
    rig = Rig(PLAIN)
    rig.permit, rig.high_volts = False, B
    rig.rest(1000.0)
    assert rig.fault_codes == []


# ---- On the plant ---------------------------------------------------------------------------------------------------


def plugged(facts: EvseFacts, *quirks: str) -> PlantRig:
    rig = PlantRig(facts)
    rig.evse.plug_in(quirks=quirks)
    rig.evse.ev_ready()
    return rig


SLEEPY_SOCKET = msgspec.structs.replace(SOCKET, can_disconnect=True)


@pytest.mark.parametrize("can_disconnect", [True, False])
def test_a_vehicle_of_the_plant_that_sleeps_is_woken_by_an_interruption(can_disconnect: bool) -> None:
    rig = plugged(msgspec.structs.replace(SOCKET, can_disconnect=can_disconnect), "sleeps")
    rig.run(FIRST_S)
    assert not rig.is_closed()
    rig.run(15.0)
    assert rig.is_closed()
    assert (rig.status.wake_ups, rig.status.plug_count) == (1, 1)
    rig.permit = False
    rig.rest(300.0)
    assert rig.status.wake_ups == 1  # nobody wakes it during the pause
    rig.permit = True
    rig.run(FIRST_S + 20.0)
    assert rig.is_closed()
    assert (rig.status.wake_ups, rig.status.plug_count) == (2, 1)


def test_a_vehicle_of_the_plant_that_sleeps_deep_needs_state_F() -> None:
    rig = plugged(msgspec.structs.replace(SLEEPY_SOCKET, wake_up=WakeUp.STATE_F), "sleeps_deep")
    rig.run(150.0)
    assert rig.is_closed()
    assert (rig.status.wake_ups, rig.status.plug_count) == (3, 1)
    rig = plugged(SLEEPY_SOCKET, "sleeps_deep")
    rig.rest(400.0)
    assert not rig.is_closed()
    assert [fault.code for fault in rig.status.faults] == ["ev_not_charging"]


def test_a_vehicle_of_the_plant_that_toggles_while_it_waits_is_charged_when_it_may() -> None:
    rig = PlantRig(SLEEPY_SOCKET)
    rig.permit = False
    rig.evse.plug_in(quirks=["bcb"])
    rig.evse.ev_ready()
    rig.run(15.0)
    assert rig.status.toggles == 3
    assert (rig.status.contactor_cycles, rig.status.faults) == (0, ())
    rig.permit = True
    rig.run(15.0)
    assert rig.is_closed()


@pytest.mark.parametrize("quirk", ["upset_by_switching", "one_phase", "eager", "bcb", "never_stops"])
def test_other_vehicles_of_the_plant_are_not_woken(quirk: str) -> None:
    rig = plugged(SLEEPY_SOCKET, quirk)
    rig.run(100.0)
    assert rig.is_closed()
    assert rig.status.wake_ups == 0


def test_a_vehicle_of_the_plant_that_bounces_is_woken_in_vain_and_never_gets_lasting_energy() -> None:
    rig = plugged(SLEEPY_SOCKET, "bounces")
    rig.run(150.0)
    assert rig.status.wake_ups <= 2
    assert rig.status.contactor_cycles <= 30  # the re-close interval bounds the wear
    assert rig.status.meter is not None
    assert max(rig.status.meter.amps) < 4.0


def test_a_torn_out_plug_on_the_plant_is_seen_after_the_blind_time_and_the_next_vehicle_is_a_new_one() -> None:
    rig = plugged(SLEEPY_SOCKET, "sleeps_deep")
    while not rig.status.waking:
        rig.tick()
    rig.evse.plug_out(force=True)
    rig.run(PULSE_S + SETTLE_S + 0.4)
    assert not rig.status.ev_connected
    assert rig.status.faults == ()
    rig.charge()
    assert rig.status.plug_count == 2
