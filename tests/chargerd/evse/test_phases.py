"""Phase switching: the sequence, what guards it, and how a vehicle that uses one phase is found out."""

import math
from typing import Any

import msgspec
import pytest

from chargerd.evse.contactor import SOFT_STOP_S
from chargerd.evse.phases import DETECTION_S, DWELL_S, HOLD_S, MOST_SWITCHES, OPEN_S, PhaseKeeper
from chargerd.evse.situation import Situation
from chargerd.evse.supervision import PHASES_S
from chargerd.limits import Limit
from hal.types import EvseFacts, MeterSample, PhasesReading, PilotMode
from tests.chargerd.evse.plant_rig import PlantRig
from tests.chargerd.evse.rig import SOCKET, TICK_S, A, B, C, Rig

FACTS = EvseFacts(max_amps=32.0, phases=3, has_phase_switch=True)
SWITCHED_SOCKET = msgspec.structs.replace(SOCKET, has_phase_switch=True)
FIXED = EvseFacts(max_amps=32.0, phases=3)


def charging(facts: EvseFacts = FACTS) -> Rig:
    rig = Rig(facts)
    rig.charge()
    return rig


def is_one(rig: Rig) -> bool:
    return rig.outputs.phases == 1


def offers(rig: Rig) -> bool:
    return rig.mode() is PilotMode.PWM


def switch(rig: Rig, phases: int) -> None:
    """Wish for `phases` and see the sequence through: the vehicle stops and comes back by itself."""
    rig.phases, rig.amps = phases, (0.0, 0.0, 0.0)
    rig.run_until(lambda: rig.outputs.phases == phases, 10.0)
    rig.run_until(rig.is_closed, HOLD_S + 6.0)


# ---- The sequence ----------------------------------------------------------------------------------------------------


def test_the_offer_ends_the_contactor_opens_the_phases_change_and_the_offer_returns_after_10_seconds() -> None:
    rig = charging()
    rig.phases = 1
    rig.run(0.04)
    assert rig.mode() is PilotMode.STEADY_HIGH
    assert rig.is_closed()
    assert rig.status.why_not == ("phase_switching",)
    assert (rig.status.phases_pending, rig.status.phases_wait) == (1, "switching")
    rig.run(2.0)
    assert rig.is_closed()
    assert rig.outputs.phases == 3
    rig.amps = (0.0, 0.0, 0.0)
    rig.high_volts = B
    rig.run_until(lambda: not rig.is_closed(), 0.1)
    waited = rig.run_until(lambda: is_one(rig), 1.0)
    assert OPEN_S <= waited <= OPEN_S + 2 * TICK_S
    waited = rig.run_until(lambda: offers(rig), HOLD_S + 1.0)
    assert HOLD_S - TICK_S <= waited <= HOLD_S + 3 * TICK_S
    assert (rig.status.phases, rig.status.phases_pending, rig.status.phases_wait) == (1, None, "")
    rig.high_volts = C
    rig.run_until(rig.is_closed, 1.0)


def test_a_station_that_asks_for_fewer_no_more_gets_all_back() -> None:
    rig = Rig(FACTS)
    rig.phases = 1
    rig.run_until(lambda: is_one(rig), 1.0)
    rig.phases = None
    rig.run_until(lambda: not is_one(rig), 11.0)
    assert rig.outputs.phases == 3


def test_a_vehicle_that_does_not_stop_is_cut_off_and_the_phases_change_then() -> None:
    rig = charging()
    rig.phases = 1
    waited = rig.run_until(lambda: not rig.is_closed(), 7.0)
    assert SOFT_STOP_S <= waited <= SOFT_STOP_S + 3 * TICK_S
    rig.amps = (0.0, 0.0, 0.0)
    rig.run_until(lambda: is_one(rig), 1.0)


@pytest.mark.parametrize("feedback", [True, "silent"])
def test_the_phases_do_not_change_unless_the_main_contactor_is_seen_open(feedback: object) -> None:
    rig = charging()
    rig.phases, rig.amps = 1, (0.0, 0.0, 0.0)
    if feedback is True:
        rig.feedback = True
    else:
        rig.feedback_speaks = False
    rig.rest(60.0)
    assert rig.outputs.phases == 3
    assert not rig.is_closed()


def test_without_a_feedback_contact_the_main_contactor_counts_as_open_after_a_quarter_second() -> None:
    rig = charging(msgspec.structs.replace(FACTS, has_feedback=False))
    rig.phases, rig.amps = 1, (0.0, 0.0, 0.0)
    rig.run_until(lambda: not rig.is_closed(), 1.0)
    rig.high_volts = B
    waited = rig.run_until(lambda: is_one(rig), 1.0)
    assert OPEN_S <= waited <= OPEN_S + 2 * TICK_S


def test_a_change_goes_through_once_it_has_begun() -> None:
    rig = charging()
    rig.phases = 1
    rig.run(1.0)
    rig.phases = 3
    rig.amps = (0.0, 0.0, 0.0)
    rig.run_until(lambda: is_one(rig), 1.0)
    rig.run(HOLD_S + 1.0)
    assert rig.outputs.phases == 1
    assert (rig.status.phases_pending, rig.status.phases_wait) == (3, "dwell")


def test_orders_that_lapse_change_no_phases() -> None:
    rig = charging()
    rig.orders_come = False
    rig.phases = 1
    rig.amps = (0.0, 0.0, 0.0)
    rig.run(31.0)
    assert rig.outputs.phases == 1  # the last orders still held when they came
    rig = charging()
    rig.orders_come, rig.amps = False, (0.0, 0.0, 0.0)
    rig.rest(60.0)
    assert rig.outputs.phases == 3
    assert rig.status.phases_pending is None


@pytest.mark.parametrize("phases", [0, 2, -1, 4, 10**9])
def test_a_number_that_cannot_be_connected_changes_nothing(phases: int) -> None:
    rig = charging()
    rig.phases = phases
    rig.run(1.0)
    assert rig.outputs.phases == 3
    assert (rig.status.phases_pending, rig.mode()) == (None, PilotMode.PWM)
    assert rig.is_closed()


def test_a_board_without_a_phase_contactor_keeps_its_phases_whatever_is_wished() -> None:
    rig = Rig(FIXED)
    rig.charge()
    rig.phases = 1
    rig.rest(60.0)
    assert rig.is_closed()
    assert (rig.outputs.phases, rig.status.phases, rig.status.phases_pending) == (3, 3, None)
    single = Rig(msgspec.structs.replace(FIXED, phases=1))
    single.charge()
    assert (single.outputs.phases, single.status.phases) == (1, 1)


# ---- Verification ----------------------------------------------------------------------------------------------------


def test_a_phase_contactor_that_does_not_follow_within_a_second_is_a_fault_until_unplugged() -> None:
    rig = charging()
    rig.phases, rig.amps, rig.seen_phases = 1, (0.0, 0.0, 0.0), 3
    rig.run_until(lambda: is_one(rig), 2.0)
    waited = rig.run_until(lambda: "phase_switch" in rig.fault_codes, 2.0)
    assert PHASES_S <= waited <= PHASES_S + 2 * TICK_S
    assert rig.status.faults[-1].detail == "3 connected"
    rig.seen_phases = None
    rig.rest(60.0)
    assert rig.fault_codes == ["phase_switch"]
    assert not offers(rig)
    rig.high_volts = A
    rig.run(1.0)
    assert rig.fault_codes == []


def test_phases_that_change_under_load_by_themselves_open_after_a_second() -> None:
    rig = charging()
    rig.seen_phases = 1
    rig.run(PHASES_S - 0.1)
    assert rig.is_closed()
    rig.run(0.2)
    assert not rig.is_closed()
    assert rig.fault_codes == ["phase_switch"]


def test_a_blink_of_the_phase_feedback_under_load_does_nothing() -> None:
    rig = charging()
    rig.seen_phases = 1
    rig.run(0.1)
    rig.seen_phases = None
    rig.run(1.0)
    assert rig.is_closed()
    assert rig.status.contactor_cycles == 1


def test_nothing_closes_while_the_phases_are_not_where_they_should_be() -> None:
    rig = Rig(FACTS)
    rig.run(0.1)
    rig.seen_phases, rig.high_volts = 1, C
    rig.run(0.5)
    assert "phase_switching" in rig.status.why_not
    assert not offers(rig)


def test_a_silent_phase_contactor_means_no_energy() -> None:
    rig = charging()
    rig.phase_switch_speaks = False
    rig.tick()
    assert "phases_missing" in rig.status.why_not
    assert not offers(rig)
    rig.amps = (0.0, 0.0, 0.0)
    rig.run(6.0)
    assert not rig.is_closed()
    assert rig.fault_codes == ["device_silent"]
    assert rig.status.faults[0].detail == "phase contactor"


def test_without_a_feedback_contact_of_its_own_the_phase_contactor_is_believed() -> None:
    keeper = PhaseKeeper(FACTS)
    for tick in range(3):
        keeper.read(PhasesReading(None, 100.0 + tick), 100.0 + tick)
        keeper.drive(Situation(facts=FACTS, now_mono=100.0 + tick, feedback=False), 1)
    keeper.read(PhasesReading(None, 103.0), 103.0)
    assert (keeper.phases, keeper.connected, keeper.off_course, keeper.silent) == (1, 1, False, False)


def test_a_stale_reading_is_none() -> None:
    keeper = PhaseKeeper(FACTS)
    keeper.read(PhasesReading(1, 99.0), 100.0)
    assert keeper.silent
    assert (keeper.connected, keeper.off_course) == (3, False)


def test_at_the_start_the_phases_stay_as_an_earlier_process_left_them() -> None:
    keeper = PhaseKeeper(FACTS)
    for tick in range(3):
        keeper.read(PhasesReading(1, 100.0 + tick), 100.0 + tick)
        keeper.drive(Situation(facts=FACTS, now_mono=100.0 + tick, feedback=False), None)
    assert (keeper.phases, keeper.connected, keeper.off_course) == (1, 1, False)
    keeper = PhaseKeeper(FACTS)
    keeper.read(PhasesReading(2, 100.0), 100.0)  # no such thing
    assert (keeper.phases, keeper.off_course) == (3, True)


# ---- What guards it --------------------------------------------------------------------------------------------------


def test_without_a_vehicle_the_phases_change_freely() -> None:
    rig = Rig(FACTS)
    rig.run(1.0)
    for phases in (1, 3, 1, 3, 1, 3, 1, 3, 1):
        rig.phases = phases
        rig.run_until(lambda: rig.outputs.phases == rig.phases, HOLD_S + 0.1)


def test_even_without_a_vehicle_10_seconds_lie_between_two_changes() -> None:
    rig = Rig(FACTS)
    rig.run(1.0)
    moves = 0
    for _ in range(3000):
        before, rig.phases = rig.outputs.phases, 4 - rig.outputs.phases
        rig.tick()
        moves += rig.outputs.phases != before
    assert moves <= 60.0 / HOLD_S + 1


def test_a_vehicle_that_was_offered_current_keeps_its_phases_for_10_minutes() -> None:
    rig = charging()
    switch(rig, 1)
    rig.phases = 3
    rig.rest(DWELL_S - HOLD_S - 10.0)
    assert rig.outputs.phases == 1
    assert rig.is_closed()
    assert (rig.status.phases_pending, rig.status.phases_wait) == (3, "dwell")
    rig.run_until(lambda: rig.outputs.phases == 3, 20.0)


def test_before_the_first_offer_a_vehicle_does_not_wait_for_the_dwell_time_of_the_last_one() -> None:
    rig = charging()
    switch(rig, 1)
    rig.high_volts, rig.permit = A, False
    rig.run(1.0)
    rig.high_volts = B
    rig.run(HOLD_S)
    rig.phases = 3
    rig.run_until(lambda: rig.outputs.phases == 3, 0.1)


def test_one_vehicle_sees_six_changes_at_most_and_the_next_one_begins_anew() -> None:
    rig = charging()
    for change in range(MOST_SWITCHES):
        switch(rig, 1 if change % 2 == 0 else 3)
        rig.rest(DWELL_S)
    rig.phases = 1
    rig.rest(2 * DWELL_S)
    assert rig.outputs.phases == 3
    assert (rig.status.phases_pending, rig.status.phases_wait) == (1, "count")
    assert rig.is_closed()
    rig.high_volts = A
    rig.run_until(lambda: is_one(rig), 1.0)


def test_a_vehicle_that_uses_one_phase_gains_nothing_and_is_left_alone() -> None:
    rig = charging()
    rig.amps = (15.0, 0.1, 0.1)
    rig.run(DETECTION_S + 0.1)
    assert rig.status.vehicle_phases == 1
    rig.phases = 1
    rig.rest(60.0)
    assert rig.is_closed()
    assert (rig.status.phases_pending, rig.status.phases_wait) == (1, "one_phase_vehicle")
    rig.high_volts = A
    rig.run_until(lambda: is_one(rig), 1.0)
    assert rig.status.vehicle_phases is None


# ---- How many phases a vehicle uses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "amps, phases",
    [
        ((15.0, 0.1, 0.1), 1),
        ((5.1, 0.4, 0.4), 1),
        ((0.1, 0.1, 15.0), 1),
        ((15.0, 15.0, 0.1), 2),
        ((15.0, 15.0, 15.0), 3),
        ((5.0, 0.1, 0.1), None),
        ((15.0, 0.6, 0.1), None),
        ((0.1, 0.1, 0.1), None),
        ((15.0,), None),
    ],
)
def test_the_currents_of_30_seconds_tell_how_many_phases_a_vehicle_uses(
    amps: tuple[float, ...], phases: int | None
) -> None:
    rig = Rig(FIXED)
    rig.charge(amps=1.0)
    rig.amps = amps
    rig.run(DETECTION_S - 0.1)
    assert rig.status.vehicle_phases is None
    rig.run(0.2)
    assert rig.status.vehicle_phases == phases


def test_currents_that_change_within_the_30_seconds_are_watched_anew() -> None:
    rig = Rig(FIXED)
    rig.charge(amps=15.0)
    rig.amps = (15.0, 0.0, 0.0)
    rig.run(DETECTION_S - 10.0)
    rig.amps = (15.0, 15.0, 15.0)
    rig.run(DETECTION_S - 0.1)
    assert rig.status.vehicle_phases is None
    rig.run(0.2)
    assert rig.status.vehicle_phases == 3


def test_what_is_known_of_a_vehicle_outlasts_a_pause_and_ends_with_its_plug() -> None:
    rig = Rig(FIXED)
    rig.charge()
    rig.amps = (15.0, 0.0, 0.0)
    rig.run(DETECTION_S + 0.1)
    rig.permit, rig.amps = False, (0.0, 0.0, 0.0)
    rig.run(8.0)
    assert (rig.is_closed(), rig.status.vehicle_phases) == (False, 1)
    rig.high_volts = A
    rig.run(1.0)
    assert rig.status.vehicle_phases is None


@pytest.mark.parametrize("changes", [{"open_since_mono": 0.0}, {"meter": None}])
def test_without_contactor_or_meter_nothing_is_concluded(changes: dict[str, Any]) -> None:
    keeper = PhaseKeeper(FIXED)
    usual: dict[str, Any] = {"connected": True, "open_since_mono": math.inf}
    for second in range(60):
        sample = MeterSample(float(second), 0.0, 0.0, (15.0, 0.0, 0.0), (230.0,) * 3)
        keeper.drive(Situation(facts=FIXED, now_mono=float(second), **(usual | {"meter": sample} | changes)), None)
    assert keeper.vehicle_phases is None


def test_with_one_phase_connected_nothing_is_concluded() -> None:
    rig = charging()
    switch(rig, 1)
    rig.amps = (15.0, 0.0, 0.0)
    rig.run(DETECTION_S + 1.0)
    assert rig.status.vehicle_phases is None


def test_a_one_phase_vehicle_is_held_to_the_unbalance_limit_and_so_is_one_that_was_switched() -> None:
    facts = msgspec.structs.replace(FACTS, unbalance_amps=13.0)
    rig = Rig(facts)
    rig.charge()
    rig.amps = (15.0, 0.1, 0.1)
    rig.run(DETECTION_S + 0.1)
    assert rig.status.limit == Limit("unbalance", 13.0)
    rig.high_volts, rig.amps, rig.phases = A, (0.0, 0.0, 0.0), 1
    rig.run(1.0)
    assert (rig.status.phases, rig.status.limit) == (1, Limit("unbalance", 13.0))


# ---- On the plant ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quirks", [(), ("upset_by_switching",), ("stops_slowly",), ("never_stops",)])
def test_vehicles_of_the_plant_come_through_a_change_and_charge_on(quirks: tuple[str, ...]) -> None:
    rig = PlantRig(SWITCHED_SOCKET)
    rig.charge(*quirks)
    rig.phases = 1
    rig.run(40.0)
    assert rig.evse.phases == 1
    assert rig.is_closed()
    assert [amps > 5 for amps in rig.measured_amps()] == [True, False, False]
    assert rig.evse.vehicle is not None
    assert not rig.evse.vehicle.upset
    assert rig.status.faults == ()


def test_a_stuck_phase_contactor_of_the_plant_is_named_and_overcome() -> None:
    rig = PlantRig(SWITCHED_SOCKET)
    rig.charge()
    rig.evse.fault("phases_stuck")
    rig.phases = 1
    rig.run(10.0)
    assert [fault.code for fault in rig.status.faults] == ["phase_switch"]
    assert not rig.is_closed()
    rig.evse.clear_fault("phases_stuck")
    rig.evse.plug_out(force=True)
    rig.run(15.0)
    assert rig.status.faults == ()
    rig.charge()


def test_a_one_phase_vehicle_of_the_plant_is_found_out() -> None:
    rig = PlantRig(SWITCHED_SOCKET)
    rig.charge("one_phase")
    rig.run(DETECTION_S + 10.0)
    assert rig.status.vehicle_phases == 1
