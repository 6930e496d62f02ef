"""Pilot, contactor and phase contactor under the eyes of a technician, on the plant."""

from itertools import pairwise

import msgspec
import pytest

from chargerd.ctl.bring_up_acts import Result
from chargerd.ctl.bring_up_power import (
    GOLDEN_DUTIES,
    contactor,
    dead_man,
    phases,
    pilot_duty,
    pilot_level,
    pilot_modes,
    pilot_states,
)
from chargerd.ctl.terminal import Reply
from hal.iec61851 import offered_amps
from hal.sim.devices import SimPhaseSwitch, SimPilot, SimRelays
from hal.types import Alarm, DeviceSilent, EvseFacts, PhasesReading, PilotMode, PilotReading, RelayReading
from tests.chargerd.ctl.walking import FULL, Person, full_world, try_step, values
from tests.hal.plants import World

NO_FEEDBACK = msgspec.structs.replace(FULL, has_feedback=False)
AUTONOMOUS = msgspec.structs.replace(FULL, autonomous=True, interlocked=True)
INTERLOCKED = msgspec.structs.replace(FULL, interlocked=True)


def is_safe(world: World) -> bool:
    """Contactor open, pilot steady."""
    world.wait(0.1)
    return world.closed() is False and world.peaks() == (12.0, 12.0)


# ---- pilot ----


def test_an_unplugged_pilot_has_12_volts() -> None:
    outcome = try_step(full_world(), pilot_level)
    assert (outcome.result, values(outcome)["from"], values(outcome)["to"]) == (Result.OK, 12.0, 12.0)


@pytest.mark.parametrize("fault", ["short_pilot"])
def test_a_pilot_at_another_level_fails(fault: str) -> None:
    world = full_world()
    world.evse.fault(fault)
    outcome = try_step(world, pilot_level)
    assert outcome.result is Result.FAILED
    assert "expected 11.4 to 12.6 V with nothing plugged in" in outcome.note


def test_a_vehicle_that_is_plugged_in_is_in_the_way() -> None:
    world = full_world()
    world.evse.plug_in()
    assert try_step(world, pilot_level).result is Result.FAILED


class Complaining(SimPilot):
    def read(self) -> PilotReading:
        return msgspec.structs.replace(super().read(), alarms=(Alarm.NO_GROUND,))


def test_what_the_controller_complains_of_is_told() -> None:
    world = full_world()
    outcome = try_step(world, pilot_level, pilot=Complaining(world.evse, world.slot("pilot")))
    assert outcome.result is Result.FAILED
    assert values(outcome)["alarms"] == "no_ground"


def test_every_duty_up_to_the_rating_is_shown_and_none_above() -> None:
    world = full_world()
    outcome = try_step(world, pilot_duty)
    assert outcome.result is Result.OK
    assert list(values(outcome)) == ["6 A", "10 A", "13 A", "16 A", "20 A", "25 A", "32 A"]
    assert is_safe(world)


def test_the_duties_are_those_of_the_standard() -> None:
    assert [(amps, round(offered_amps(duty), 1)) for amps, duty in GOLDEN_DUTIES] == [
        (amps, float(amps)) for amps, _ in GOLDEN_DUTIES
    ]


@pytest.mark.parametrize("amps", [6, 51, 80])
def test_each_rating_is_tried_for_more_than_it_allows(amps: float) -> None:
    world = full_world(msgspec.structs.replace(FULL, max_amps=amps))
    assert try_step(world, pilot_duty).result is Result.OK


class Willing(SimPilot):
    """A driver that forgot the rating of the board."""

    def set(self, mode: PilotMode, duty_percent: float) -> None:
        with self._plant.lock:
            self._evse.drive_pilot(mode, duty_percent)


def test_a_driver_that_takes_more_than_the_rating_fails() -> None:
    world = full_world()
    outcome = try_step(world, pilot_duty, pilot=Willing(world.evse, world.slot("pilot")))
    assert outcome.note == "took a duty for more than the rating of 32 A"
    assert is_safe(world)


def test_a_pilot_that_does_not_swing_fails() -> None:
    world = full_world()
    world.evse.fault("short_pilot")
    outcome = try_step(world, pilot_duty)
    assert outcome.note.count("0.00 V / ") == 7


def test_an_instrument_has_the_last_word() -> None:
    world = full_world()
    wrong = try_step(world, pilot_duty, Person(world, {"16 A": Reply.NO}))
    assert (wrong.result, wrong.note) == (Result.FAILED, "16 A is something else on the instrument")
    without = try_step(world, pilot_duty, Person(world, {"oscilloscope": Reply.NO}))
    assert (without.result, without.note) == (Result.OK, "levels as read back; no instrument looked at the duty")


def test_state_f_and_the_open_pilot_are_seen() -> None:
    world = full_world()
    outcome = try_step(world, pilot_modes)
    assert (outcome.result, values(outcome)) == (
        Result.OK,
        {"state F": -12.0, "disconnected": "+12.00 V / +12.00 V"},
    )
    assert is_safe(world)


class Mute(SimPilot):
    def set(self, mode: PilotMode, duty_percent: float) -> None:
        if mode is not PilotMode.STEADY_HIGH:
            raise DeviceSilent("evse[0].pilot", "no answer")
        super().set(mode, duty_percent)


def test_a_board_with_neither_is_no_failure() -> None:
    world = full_world(msgspec.structs.replace(FULL, has_state_f=False, can_disconnect=False))
    outcome = try_step(world, pilot_modes, pilot=Mute(world.evse, world.slot("pilot")))
    assert (outcome.result, outcome.note) == (Result.SKIPPED, "this board has neither")


def test_a_pilot_that_fails_at_state_f_is_one() -> None:
    world = full_world()
    assert try_step(world, pilot_modes, pilot=Mute(world.evse, world.slot("pilot"))).note == "evse[0].pilot: no answer"


def test_a_state_f_that_is_none_fails() -> None:
    world = full_world()
    world.evse.fault("short_pilot")
    assert try_step(world, pilot_modes).note == "state F is -12 V"


def simulator(world: World, quirks: tuple[str, ...] = ()) -> Person:
    """A person with a vehicle simulator."""
    return Person(
        world,
        hands={
            "to state B": lambda: world.evse.plug_in(quirks=quirks),
            "to state C": world.evse.ev_ready,
            "Unplug it": world.evse.plug_out,
        },
    )


def test_the_states_of_a_vehicle_simulator_are_seen() -> None:
    world = full_world()
    outcome = try_step(world, pilot_states, simulator(world))
    assert outcome.result is Result.OK
    assert values(outcome) == {
        "state B": "+9.00 V / -12.00 V",
        "state C": "+6.00 V / -12.00 V",
        "state A": "+12.00 V / -12.00 V",
    }
    assert is_safe(world)


def test_a_vehicle_simulator_without_diode_is_found_out() -> None:
    world = full_world()
    outcome = try_step(world, pilot_states, simulator(world, ("no_diode",)))
    assert outcome.note == "no diode seen in state B: the low level is not -12 V"


def test_a_state_that_does_not_come_fails_after_30_s() -> None:
    world = full_world()
    begin = world.mono
    assert try_step(world, pilot_states).note == "state B was not seen"
    assert 30 < world.mono - begin < 32


def test_without_a_vehicle_simulator_nothing_is_waited_for() -> None:
    world = full_world()
    assert try_step(world, pilot_states, Person(world, otherwise=Reply.NO)).result is Result.SKIPPED


# ---- contactor ----


def test_a_contactor_closes_after_a_yes_and_opens_again() -> None:
    world = full_world()
    outcome = try_step(world, contactor)
    assert outcome.result is Result.OK
    assert float(values(outcome)["closed after"]) == pytest.approx(30, abs=6)
    assert float(values(outcome)["open after"]) == pytest.approx(20, abs=6)
    assert is_safe(world)


@pytest.mark.parametrize("answer", [Reply.NO, Reply.SKIP])
@pytest.mark.parametrize("step", [contactor, dead_man])
def test_without_a_yes_it_stays_open(step: object, answer: Reply) -> None:
    world = full_world()
    calls: list[bool] = []

    class Recording(SimRelays):
        def hold(self, closed: bool, for_s: float) -> None:
            calls.append(closed)
            super().hold(closed, for_s)

    relays = Recording(world.evse, world.slot("relays"))
    outcome = try_step(world, step, Person(world, otherwise=answer), relays=relays)  # type: ignore[arg-type]
    assert (outcome.result, outcome.note, any(calls)) == (Result.SKIPPED, "not energised", False)


@pytest.mark.parametrize(
    "fault, complaint",
    [
        ("weld_relay", "the feedback says closed although it was told to open"),
        ("relay_stuck_open", "it did not close, or the feedback does not say so"),
    ],
)
def test_a_contactor_that_does_not_move_fails(fault: str, complaint: str) -> None:
    world = full_world()
    world.evse.fault(fault)
    assert complaint in try_step(world, contactor).note


class Welding(SimRelays):
    """Welds when it is told to open for the first time after closing."""

    closed_once = False

    def hold(self, closed: bool, for_s: float) -> None:
        if self.closed_once and not closed:
            self._evse.fault("weld_relay")
        self.closed_once = self.closed_once or closed
        super().hold(closed, for_s)


def test_a_contactor_that_welds_while_it_is_tried_fails() -> None:
    world = full_world()
    outcome = try_step(world, contactor, relays=Welding(world.evse, world.slot("relays")))
    assert outcome.note == "it did not open, or the feedback does not say so"


class Late(SimRelays):
    """A feedback contact that follows 0.3 s late."""

    def read(self) -> RelayReading:
        reading = super().read()
        self._before = [*getattr(self, "_before", []), reading]
        late = [old for old in self._before if old.at_mono <= reading.at_mono - 0.3] or [RelayReading(False, 0.0)]
        return RelayReading(late[-1].closed, reading.at_mono)


def test_a_feedback_that_comes_late_fails() -> None:
    world = full_world()
    outcome = try_step(world, contactor, relays=Late(world.evse, world.slot("relays")))
    assert outcome.note == "the feedback must follow within 250 ms"


@pytest.mark.parametrize("answer, result", [(Reply.YES, Result.OK), (Reply.NO, Result.FAILED)])
@pytest.mark.parametrize("step", [contactor, dead_man])
def test_without_a_feedback_contact_a_person_listens(step: object, answer: Reply, result: Result) -> None:
    world = full_world(NO_FEEDBACK)
    person = Person(world, {"no feedback contact": answer})
    assert try_step(world, step, person).result is result  # type: ignore[arg-type]
    assert not world.plant.state().evses[0].contacts_closed


def test_a_board_that_opens_by_itself_passes_the_dead_man_without_a_call_in_between() -> None:
    world = full_world()
    calls: list[float] = []

    class Recording(SimRelays):
        def hold(self, closed: bool, for_s: float) -> None:
            calls.append(world.mono)
            super().hold(closed, for_s)

        def read(self) -> RelayReading:
            calls.append(world.mono)
            return super().read()

    outcome = try_step(world, dead_man, relays=Recording(world.evse, world.slot("relays")))
    assert outcome.result is Result.OK
    assert max(later - earlier for earlier, later in pairwise(calls)) == pytest.approx(1.8)


class Forgetful(SimRelays):
    """A board without a dead-man: what is closed stays closed."""

    def hold(self, closed: bool, for_s: float) -> None:
        super().hold(closed, 5.0)


def test_a_board_that_does_not_open_by_itself_must_not_go_into_service() -> None:
    world = full_world()
    outcome = try_step(world, dead_man, relays=Forgetful(world.evse, world.slot("relays")))
    assert outcome.note.endswith("Do not put this board into service")
    assert is_safe(world)


def test_a_contactor_that_does_not_close_has_no_dead_man_to_try() -> None:
    world = full_world()
    world.evse.fault("relay_stuck_open")
    assert try_step(world, dead_man).note == "it did not close, or the feedback does not say so"


# ---- a controller that closes by itself ----


class SelfClosing(SimRelays):
    """Closes while the pilot offers and the vehicle asks."""

    def hold(self, closed: bool, for_s: float) -> None:
        self._look()

    def read(self) -> RelayReading:
        self._look()
        return super().read()

    def _look(self) -> None:
        now_mono = self._evse.catch_up()
        vehicle = self._evse.vehicle
        wanted = self._evse.offer_amps > 0 and vehicle is not None and vehicle.s2_closed
        self._evse.hold_coil(wanted, now_mono, 1.0)


def charging_simulator(world: World) -> Person:
    def plug_in() -> None:
        world.evse.plug_in()
        world.evse.ev_ready()

    return Person(world, hands={"set it to state C": plug_in})


@pytest.mark.parametrize("facts", [AUTONOMOUS, INTERLOCKED], ids=["by itself", "when told"])
def test_a_board_that_closes_for_vehicles_only_is_tried_with_a_vehicle_simulator(facts: EvseFacts) -> None:
    world = full_world(facts)
    outcome = try_step(world, contactor, charging_simulator(world), relays=SelfClosing(world.evse, world.slot("r")))
    assert outcome.result is Result.OK
    assert float(values(outcome)["closed after"]) > 250  # S2 takes longer than a contactor, and that is no fault
    world.wait(0.1)
    assert world.closed() is False


def test_a_controller_without_feedback_contact_is_given_time_to_close() -> None:
    world = full_world(msgspec.structs.replace(AUTONOMOUS, has_feedback=False))
    world.evse.plug_in()
    world.evse.ev_ready()
    begin = world.mono
    outcome = try_step(world, contactor, relays=SelfClosing(world.evse, world.slot("relays")))
    assert outcome.result is Result.OK
    assert world.mono - begin > 10


@pytest.mark.parametrize("answer, result", [(Reply.YES, Result.OK), (Reply.NO, Result.FAILED)])
def test_what_a_controller_does_while_we_hang_is_seen_by_a_person(answer: Reply, result: Result) -> None:
    world = full_world(AUTONOMOUS)
    world.evse.plug_in()
    world.evse.ev_ready()
    begin = world.mono
    person = Person(world, {"fallback current": answer})
    outcome = try_step(world, dead_man, person, relays=SelfClosing(world.evse, world.slot("relays")))
    assert (outcome.result, values(outcome)) == (result, {"hung for": 15.0})
    assert world.mono - begin > 15


# ---- phase contactor ----


def test_a_phase_contactor_moves_to_one_phase_and_back() -> None:
    world = full_world()
    outcome = try_step(world, phases)
    assert (outcome.result, list(values(outcome))) == (Result.OK, ["1 connected after", "3 connected after"])
    assert world.evse.phases == 3


def test_a_phase_contactor_that_is_stuck_fails() -> None:
    world = full_world()
    world.evse.fault("phases_stuck")
    assert try_step(world, phases).note == "told to connect 1, the feedback says 3"


class MuteSwitch(SimPhaseSwitch):
    def read(self) -> PhasesReading:
        return PhasesReading(None, super().read().at_mono)


@pytest.mark.parametrize("answer, result", [(Reply.YES, Result.OK), (Reply.NO, Result.FAILED)])
def test_a_phase_contactor_without_feedback_is_listened_to(answer: Reply, result: Result) -> None:
    world = full_world()
    person = Person(world, otherwise=answer)
    outcome = try_step(world, phases, person, phase_switch=MuteSwitch(world.evse, world.slot("p")))
    assert outcome.result is result
