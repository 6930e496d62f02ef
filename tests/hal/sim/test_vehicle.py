import math
from itertools import pairwise

import pytest

from hal.sim.vehicle import DOZES_S, S2_CLOSE_S, S2_OPEN_S, Quirk, Vehicle
from hal.types import PilotMode


def vehicle(*quirks: Quirk, amps: float = 0.0, ready: bool = True) -> Vehicle:
    """A vehicle with an appetite of 20 A; with `amps` it is charging."""
    made = Vehicle(20.0, 3, frozenset(quirks))
    made.ready = ready
    made.amps = amps
    made.s2_closed = amps > 0
    return made


def test_it_closes_s2_some_tenths_after_a_valid_offer() -> None:
    ev = vehicle()
    ev.settle(100.0, 10.0, False)
    assert ev.pilot_volts == 9.0
    assert ev.next_due_mono(100.0, 10.0, False) == 100.0 + S2_CLOSE_S
    ev.settle(100.0 + S2_CLOSE_S, 10.0, False)
    assert ev.pilot_volts == 6.0


def test_an_offer_that_ends_before_s2_closed_changes_nothing() -> None:
    ev = vehicle()
    ev.settle(100.0, 10.0, False)
    ev.settle(100.1, 0.0, False)
    ev.settle(101.0, 0.0, False)
    assert not ev.s2_closed
    assert ev.next_due_mono(101.0, 0.0, False) == math.inf


def test_without_offer_it_stays_in_b_unless_it_is_eager() -> None:
    patient, eager = vehicle(), vehicle(Quirk.EAGER)
    for ev in (patient, eager):
        ev.settle(100.0, 0.0, False)
        ev.settle(101.0, 0.0, False)
    assert (patient.pilot_volts, eager.pilot_volts) == (9.0, 6.0)


def test_it_takes_the_smaller_of_offer_and_appetite() -> None:
    assert vehicle(amps=1.0).aim(10.0, True)[0] == 10.0
    assert vehicle(amps=1.0).aim(32.0, True)[0] == 20.0


def test_it_goes_down_faster_than_up_and_stops_faster_still() -> None:
    ev = vehicle(amps=15.0)
    up, down, stop = ev.aim(32.0, True)[1], ev.aim(10.0, True)[1], ev.aim(0.0, True)[1]
    assert up < down < stop
    assert 63 / stop < 3.0  # IEC 61851-1 table A.6: at most 3 s after the oscillator went off


def test_it_reaches_its_target_exactly_and_no_further() -> None:
    ev = vehicle(amps=19.0)
    assert ev.amps_after(0.1, 32.0, True) == pytest.approx(19.4)
    assert ev.amps_after(10.0, 32.0, True) == 20.0
    assert ev.amps_after(0.0, 32.0, True) == 19.0


def test_it_opens_s2_only_when_its_current_is_gone() -> None:
    ev = vehicle(amps=5.0)
    ev.settle(100.0, 0.0, True)
    assert ev.next_due_mono(100.0, 0.0, True) < 100.0 + S2_OPEN_S  # the end of the ramp
    ev.amps = 0.0
    ev.settle(100.2, 0.0, True)
    assert ev.next_due_mono(100.2, 0.0, True) == pytest.approx(100.2 + S2_OPEN_S)
    ev.settle(100.2 + S2_OPEN_S, 0.0, True)
    assert ev.pilot_volts == 9.0


def test_a_path_that_opens_ends_the_current_at_once() -> None:
    ev = vehicle(Quirk.NEVER_STOPS, amps=20.0)
    ev.settle(100.0, 20.0, False)
    assert ev.amps == 0.0
    assert ev.aim(20.0, False)[0] == 0.0


@pytest.mark.parametrize(
    "quirk, offer_amps, target_amps",
    [(Quirk.IGNORES_LIMIT, 6.0, 20.0), (Quirk.NEVER_STOPS, 0.0, 15.0), (Quirk.STOPS_SLOWLY, 0.0, 0.0)],
)
def test_a_quirk_changes_the_aim(quirk: Quirk, offer_amps: float, target_amps: float) -> None:
    assert vehicle(quirk, amps=15.0).aim(offer_amps, True)[0] == target_amps


def test_slow_vehicles_take_longer_than_the_standard_allows() -> None:
    slow, stopping = vehicle(Quirk.SLOW_TO_FOLLOW, amps=20.0), vehicle(Quirk.STOPS_SLOWLY, amps=32.0)
    assert 10.0 / slow.aim(10.0, True)[1] > 5.0
    assert 32.0 / stopping.aim(0.0, True)[1] > 6.0


def test_a_driver_who_pauses_stops_even_a_vehicle_that_never_stops() -> None:
    assert vehicle(Quirk.NEVER_STOPS, amps=15.0, ready=False).aim(32.0, True)[0] == 0.0


def test_a_bouncing_vehicle_throws_s2_again_and_again() -> None:
    ev = vehicle(Quirk.BOUNCES)
    seen = []
    for tenth in range(40):
        ev.settle(100.0 + tenth / 10, 16.0, False)
        seen.append(ev.s2_closed)
    assert sum(a != b for a, b in pairwise(seen)) >= 8


def test_ventilation_is_asked_for_by_state_d() -> None:
    ev = vehicle(Quirk.VENTILATION, amps=1.0)
    assert ev.pilot_volts == 3.0


# ---- Habits that need an EVSE with manners ---------------------------------------------------------------------------

X1, PWM, CUT, LOW = PilotMode.STEADY_HIGH, PilotMode.PWM, PilotMode.DISCONNECTED, PilotMode.STEADY_LOW


class Story:
    """A vehicle that sees one pilot after the other, to 10 ms."""

    def __init__(self, *quirks: Quirk) -> None:
        self.ev = vehicle(*quirks)
        self.now_mono = 100.0
        self.phases = 3

    def see(self, pilot: PilotMode, seconds: float) -> list[bool]:
        """S2 in every moment meanwhile."""
        seen = []
        for _ in range(round(seconds * 100)):
            self.ev.settle(self.now_mono, 10.0 if pilot is PWM else 0.0, False, pilot, self.phases)
            self.now_mono += 0.01
            seen.append(self.ev.s2_closed)
        return seen

    def wakes(self, pilot: PilotMode, seconds: float) -> bool:
        """Whether it asks for energy when it is offered current again after that."""
        self.see(pilot, seconds)
        return self.see(PWM, 1.0)[-1]


@pytest.mark.parametrize(
    "pilot, seconds, wakes", [(X1, 4.0, True), (CUT, 4.0, True), (LOW, 4.0, True), (X1, 1.0, False)]
)
def test_a_vehicle_that_sleeps_wakes_by_an_interruption_of_some_seconds(
    pilot: PilotMode, seconds: float, wakes: bool
) -> None:
    story = Story(Quirk.SLEEPS)
    story.see(X1, 30.0)
    assert not any(story.see(PWM, 60.0))
    assert story.wakes(pilot, seconds) is wakes


def test_a_vehicle_that_sleeps_falls_asleep_again_in_a_long_pause() -> None:
    story = Story(Quirk.SLEEPS)
    story.see(PWM, 1.0)
    assert story.wakes(X1, 4.0)
    assert story.wakes(X1, DOZES_S - 1.0)
    assert not story.wakes(X1, DOZES_S + 1.0)
    assert story.wakes(CUT, 4.0)


@pytest.mark.parametrize(
    "pilot, seconds, wakes", [(X1, 4.0, False), (CUT, 4.0, False), (LOW, 1.0, False), (LOW, 4.0, True)]
)
def test_a_vehicle_that_sleeps_deep_wakes_by_state_F_alone(pilot: PilotMode, seconds: float, wakes: bool) -> None:
    story = Story(Quirk.SLEEPS_DEEP)
    story.see(PWM, 30.0)
    assert story.wakes(pilot, seconds) is wakes


def test_how_often_it_is_looked_at_changes_nothing_of_when_it_wakes() -> None:
    seldom = vehicle(Quirk.SLEEPS)
    for now_mono, offer_amps in (
        (100.0, 10.0),
        (130.0, 10.0),
        (160.0, 0.0),
        (164.0, 10.0),
        (164.3, 10.0),
        (165.0, 10.0),
    ):
        seldom.settle(now_mono, offer_amps, False, PWM if offer_amps else X1)
    assert seldom.s2_closed


def test_a_vehicle_that_toggles_does_so_three_times_when_nothing_is_offered_and_again_after_the_next_offer() -> None:
    story = Story(Quirk.BCB)
    assert not any(story.see(X1, 4.9))
    assert throws(story.see(X1, 10.0)) == 6
    assert throws(story.see(X1, 100.0)) == 0
    assert story.see(PWM, 1.0)[-1]
    assert throws(story.see(X1, 10.0)) >= 5


def throws(seen: list[bool]) -> int:
    return sum(a != b for a, b in pairwise([False, *seen]))


@pytest.mark.parametrize("pause_s, upset", [(1.0, True), (4.9, True), (5.1, False)])
def test_a_vehicle_that_minds_phase_changes_wants_5_seconds_without_an_offer_after_one(
    pause_s: float, upset: bool
) -> None:
    story = Story(Quirk.UPSET_BY_SWITCHING)
    assert story.wakes(X1, 1.0)
    story.see(X1, 1.0)
    story.phases = 1
    assert story.wakes(X1, pause_s) is not upset
    assert story.ev.upset is upset
    assert story.wakes(X1, 60.0) is not upset


def test_a_phase_change_under_an_offer_is_an_error_until_unplugged() -> None:
    story = Story(Quirk.UPSET_BY_SWITCHING)
    assert story.wakes(X1, 1.0)
    story.phases = 1
    assert not story.see(PWM, 1.0)[-1]
    assert story.ev.aim(10.0, True)[0] == 0.0


def test_other_vehicles_do_not_mind_phase_changes() -> None:
    story = Story()
    assert story.wakes(X1, 1.0)
    story.phases = 1
    assert story.see(PWM, 1.0)[-1]


def test_a_vehicle_of_one_phase_has_one_phase() -> None:
    assert vehicle(Quirk.ONE_PHASE).phases == 1
    assert vehicle().phases == 3


def test_a_vehicle_that_takes_more_takes_a_fifth_more() -> None:
    assert vehicle(Quirk.TAKES_MORE, amps=1.0).aim(10.0, True)[0] == 12.0
