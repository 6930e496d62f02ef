"""IEC 61851-1 annex A: levels, debounce, diode and duty."""

import math
import random

import pytest

from chargerd.evse.pilot import (
    TO_CONNECTED_S,
    TO_ENERGY_S,
    PilotWatch,
    amps_from_duty,
    classify,
    duty_from_amps,
)
from chargerd.evse.situation import AHEAD_S
from chargerd.evse.types import PilotState
from hal.types import Alarm, PilotReading

A, B, C, D, E, F, UNKNOWN = PilotState
VOLTS = {A: 12.0, B: 9.0, C: 6.0, D: 3.0, E: 0.0, F: -12.0, UNKNOWN: 20.0}
TICK_S = 0.02
STALE_S = 0.1


class Line:
    """A pilot line sampled every 20 ms."""

    def __init__(self) -> None:
        self.watch = PilotWatch(STALE_S)
        self.mono = 100.0
        self.pwm_since_mono: float | None = None

    def sample(self, high_volts: float, low_volts: float = -12.0) -> PilotState:
        self.mono += TICK_S
        self.watch.update(PilotReading(high_volts, low_volts, self.mono), self.pwm_since_mono, self.mono)
        return self.watch.state

    def hold(self, state: PilotState, seconds: float = 0.5) -> "Line":
        for _ in range(round(seconds / TICK_S)):
            self.sample(VOLTS[state])
        return self

    def settled(self) -> bool:
        return self.watch.settled

    def missing(self) -> bool:
        return self.watch.missing

    def connected(self) -> bool:
        return self.watch.connected

    def diode_proven(self) -> bool:
        return self.watch.diode_proven

    def diode_wrong(self) -> bool:
        return self.watch.diode_wrong

    def samples_until(self, state: PilotState, most: int = 50) -> int:
        """How many samples of `state` it takes until it is believed."""
        for count in range(1, most + 1):
            if self.sample(VOLTS[state]) is state:
                return count
        raise AssertionError(f"{state} not believed after {most} samples")


# ---- Table A.4: levels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lowest, highest, state",
    [(11.0, 13.0, A), (8.0, 10.0, B), (5.0, 7.0, C), (2.0, 4.0, D), (-1.0, 1.999, E), (-13.0, -11.0, F)],
)
def test_each_state_owns_its_band_up_to_both_edges(lowest: float, highest: float, state: PilotState) -> None:
    for previous in PilotState:
        assert classify(lowest, previous) is state
        assert classify((lowest + highest) / 2, previous) is state
        assert classify(highest, previous) is state


@pytest.mark.parametrize("volts", [13.001, 100.0, math.inf, -1.001, -10.999, -13.001, -math.inf, math.nan])
def test_a_level_outside_every_band_is_no_state(volts: float) -> None:
    for previous in PilotState:
        assert classify(volts, previous) is UNKNOWN


@pytest.mark.parametrize(
    "volts, previous, state",
    [
        (10.5, A, A),
        (10.5, B, B),
        (10.5, C, A),
        (7.5, B, B),
        (7.5, C, C),
        (7.5, D, B),
        (7.5, A, B),
        (4.5, C, C),
        (4.5, D, D),
        (4.5, B, D),
        (4.5, UNKNOWN, D),
    ],
)
def test_between_two_bands_the_standing_state_stays_and_else_the_one_that_allows_less(
    volts: float, previous: PilotState, state: PilotState
) -> None:
    assert classify(volts, previous) is state


# ---- Table A.6: fast towards safe, slow towards energy -------------------------------------------------------------


@pytest.mark.parametrize("start", [C, D])
@pytest.mark.parametrize("end", [A, B, E, F, UNKNOWN])
def test_leaving_energy_takes_two_samples(start: PilotState, end: PilotState) -> None:
    assert Line().hold(start).samples_until(end) == 2


def test_C_to_D_takes_two_samples_since_ventilation_is_asked_for() -> None:
    assert Line().hold(C).samples_until(D) == 2


@pytest.mark.parametrize("start, end", [(A, C), (B, C), (D, C), (E, C), (UNKNOWN, C), (A, D), (B, D), (E, D)])
def test_energy_is_believed_after_300_ms(start: PilotState, end: PilotState) -> None:
    count = Line().hold(start).samples_until(end)
    assert TO_ENERGY_S <= (count - 1) * TICK_S <= TO_ENERGY_S + TICK_S


@pytest.mark.parametrize("start", [A, UNKNOWN])
def test_a_vehicle_is_connected_after_100_ms_of_B(start: PilotState) -> None:
    count = Line().hold(start).samples_until(B)
    assert TO_CONNECTED_S <= (count - 1) * TICK_S <= TO_CONNECTED_S + TICK_S


def test_one_odd_sample_changes_nothing_but_unsettles() -> None:
    line = Line().hold(C)
    assert line.settled()
    assert line.sample(VOLTS[A]) is C
    assert not line.settled()
    assert line.sample(VOLTS[C]) is C
    assert line.settled()
    assert line.sample(VOLTS[A]) is C


def test_two_different_odd_samples_end_C() -> None:
    line = Line().hold(C)
    line.sample(VOLTS[A])
    assert line.sample(VOLTS[E]) is UNKNOWN
    assert line.watch.since_mono == line.mono
    assert line.connected()
    line.sample(VOLTS[E])
    assert line.sample(VOLTS[E]) is E


def test_two_odd_samples_do_not_end_a_state_without_energy() -> None:
    line = Line().hold(B)
    line.sample(VOLTS[A])
    assert line.sample(VOLTS[E]) is B


def test_the_sample_that_brings_a_state_settles_it_and_one_odd_one_right_after_changes_nothing() -> None:
    line = Line().hold(B)
    line.samples_until(C)
    assert line.settled()
    assert line.sample(VOLTS[A]) is C
    assert line.sample(VOLTS[C]) is C


def test_a_level_between_two_bands_keeps_the_state_that_stands() -> None:
    line = Line().hold(C)
    for _ in range(100):
        assert line.sample(7.5) is C
    line.hold(B)
    for _ in range(100):
        assert line.sample(7.5) is B


def test_one_reading_that_is_shown_again_is_one_sample() -> None:
    line = Line().hold(C)
    odd = PilotReading(VOLTS[A], -12.0, line.mono + TICK_S)
    for later_s in (0.02, 0.03, 0.04, 0.05):
        line.watch.update(odd, None, line.mono + later_s)
    assert line.watch.state is C


def test_an_alternating_level_never_becomes_C() -> None:
    line = Line().hold(B)
    for _ in range(100):
        line.sample(VOLTS[C])
        assert line.sample(VOLTS[B]) is B


def test_a_level_that_bounces_between_C_and_D_never_becomes_energy() -> None:
    line = Line().hold(B)
    for _ in range(100):
        line.sample(VOLTS[C])
        assert line.sample(VOLTS[D]) is B


def test_the_state_knows_since_when_it_stands() -> None:
    line = Line().hold(A)
    line.samples_until(B)
    since = line.watch.since_mono
    assert since == line.mono
    line.hold(B)
    assert line.watch.since_mono == since


# ---- Missing readings -----------------------------------------------------------------------------------------------


def test_before_the_first_reading_the_pilot_is_missing() -> None:
    watch = PilotWatch(STALE_S)
    assert watch.missing
    watch.update(None, None, 5.0)
    assert watch.missing
    assert watch.state is UNKNOWN


def test_a_pilot_silent_for_100_ms_still_stands_and_one_silent_for_longer_is_unknown() -> None:
    line = Line().hold(C)
    line.watch.update(None, None, line.mono + STALE_S * 0.99)
    assert line.watch.state is C
    line.watch.update(None, None, line.mono + STALE_S + 0.001)
    assert line.watch.state is UNKNOWN
    assert line.missing()
    assert not line.settled()


def test_a_reading_repeated_goes_stale() -> None:
    line = Line().hold(C)
    stuck = PilotReading(6.0, -12.0, line.mono)
    line.watch.update(stuck, None, line.mono + 0.09)
    assert line.watch.state is C
    line.watch.update(stuck, None, line.mono + 0.11)
    assert line.missing()


@pytest.mark.parametrize("at_mono", [99.0, 100.0 + AHEAD_S + 0.001, math.nan, math.inf, -math.inf])
def test_a_reading_too_old_or_from_the_future_is_none(at_mono: float) -> None:
    watch = PilotWatch(STALE_S)
    watch.update(PilotReading(12.0, 12.0, at_mono), None, 100.0)
    assert watch.missing


def test_a_pilot_that_comes_back_is_followed_again() -> None:
    line = Line().hold(C)
    line.mono += 1.0
    line.watch.update(None, None, line.mono)
    assert line.watch.state is UNKNOWN
    line.hold(C)
    assert line.watch.state is C


def test_a_board_that_opens_by_itself_may_take_its_time_to_report() -> None:
    watch = PilotWatch(3.0)
    for mono in (100.0, 101.5, 103.0):
        watch.update(PilotReading(9.0, -12.0, mono), 99.0, mono)
    assert watch.connected
    assert watch.diode_proven
    watch.update(None, 99.0, 106.0)
    assert not watch.missing
    watch.update(None, 99.0, 106.001)
    assert watch.missing


def test_alarms_are_those_of_the_last_reading_and_of_none_that_is_missing() -> None:
    line = Line()
    line.mono += TICK_S
    line.watch.update(PilotReading(9.0, 9.0, line.mono, (Alarm.NO_GROUND,)), None, line.mono)
    assert list(line.watch.alarms) == [Alarm.NO_GROUND]
    line.watch.update(None, None, line.mono + STALE_S + 0.001)
    assert list(line.watch.alarms) == []


# ---- Connected -------------------------------------------------------------------------------------------------------


def test_only_A_says_that_the_vehicle_has_gone() -> None:
    line = Line().hold(A)
    assert not line.connected()
    for state in (B, C, D, E, F, UNKNOWN):
        assert line.hold(state).connected(), state
    line.mono += 1.0
    line.watch.update(None, None, line.mono)
    assert line.connected()
    assert not line.hold(A).connected()


def test_a_short_A_ends_energy_but_is_no_unplugging() -> None:
    line = Line().hold(C)
    line.hold(A, 0.2)
    assert line.watch.state is A
    assert line.connected()
    assert line.hold(B).connected()
    assert not line.hold(A, 0.26).connected()


def test_a_vehicle_plugged_in_at_boot_is_connected() -> None:
    assert Line().hold(C).watch.connected


@pytest.mark.parametrize("state", [E, F, UNKNOWN])
def test_a_pilot_error_at_boot_connects_nobody(state: PilotState) -> None:
    assert not Line().hold(state).watch.connected


# ---- Blind -----------------------------------------------------------------------------------------------------------


def blind(line: Line, state: PilotState, seconds: float) -> None:
    """The EVSE cuts the pilot off, or puts -12 V on it: what it reads is its own."""
    for _ in range(round(seconds / TICK_S)):
        line.mono += TICK_S
        line.watch.update(PilotReading(VOLTS[state], VOLTS[state], line.mono), None, line.mono, blind=True)


@pytest.mark.parametrize("shown", [A, F, E, UNKNOWN])
def test_what_is_read_blindly_changes_neither_state_nor_connection_but_settles_nothing(shown: PilotState) -> None:
    line = Line().hold(B)
    since_mono = line.watch.since_mono
    blind(line, shown, 5.0)
    assert (line.watch.state, line.watch.since_mono) == (B, since_mono)
    assert line.connected()
    assert not line.settled()
    assert not line.missing()


def test_a_vehicle_that_was_not_seen_for_a_while_has_to_prove_its_diode_again() -> None:
    line = Line().hold(B)
    line.pwm_since_mono = line.mono - 1.0
    line.hold(B)
    assert line.diode_proven()
    blind(line, A, TICK_S)
    assert not line.diode_proven()
    line.sample(9.0)
    assert not line.diode_proven()
    line.sample(9.0)
    assert line.diode_proven()


def test_after_a_blind_time_an_unplugged_vehicle_is_seen_at_once_and_a_sample_from_before_does_not_count() -> None:
    line = Line().hold(B)
    line.sample(12.0)
    blind(line, A, 4.0)
    assert line.sample(12.0) is B
    assert line.sample(12.0) is A
    assert not line.hold(A, 0.26).connected()


def test_a_pilot_that_falls_silent_while_nothing_is_to_be_seen_is_missing_like_any_other() -> None:
    line = Line().hold(B)
    blind(line, A, 1.0)
    line.watch.update(None, None, line.mono + STALE_S + 0.001, blind=True)
    assert line.missing()


def test_alarms_are_heard_while_nothing_is_to_be_seen() -> None:
    line = Line().hold(B)
    line.mono += TICK_S
    line.watch.update(PilotReading(12.0, 12.0, line.mono, (Alarm.NO_GROUND,)), None, line.mono, blind=True)
    assert list(line.watch.alarms) == [Alarm.NO_GROUND]


# ---- Diode -----------------------------------------------------------------------------------------------------------


def test_the_diode_is_proven_by_two_samples_after_the_oscillator_settled() -> None:
    line = Line().hold(B)
    line.pwm_since_mono = line.mono
    line.sample(9.0)
    line.sample(9.0)
    assert not line.diode_proven()
    line.sample(9.0)
    assert not line.diode_proven()
    line.sample(9.0)
    assert line.diode_proven()


def test_without_the_oscillator_nothing_proves_a_diode() -> None:
    line = Line().hold(C, 5.0)
    assert not line.diode_proven()
    assert not line.diode_wrong()


@pytest.mark.parametrize("low", [-13.0, -12.0, -10.0])
def test_a_low_peak_near_minus_12_volts_proves_the_diode(low: float) -> None:
    line = Line().hold(B)
    line.pwm_since_mono = line.mono - 1.0
    line.sample(9.0, low)
    line.sample(9.0, low)
    assert line.diode_proven()


@pytest.mark.parametrize("low", [-13.01, -9.99, -9.0, -6.0, 0.0, 9.0, math.nan, math.inf, -math.inf])
def test_two_samples_with_any_other_low_peak_mean_no_diode(low: float) -> None:
    line = Line().hold(B)
    line.pwm_since_mono = line.mono - 1.0
    line.hold(B)
    assert line.diode_proven()
    line.sample(9.0, low)
    assert line.diode_proven()
    line.sample(9.0, low)
    assert not line.diode_proven()
    assert line.diode_wrong()


def test_a_low_peak_that_is_right_only_now_and_then_proves_nothing() -> None:
    line = Line().hold(B)
    line.pwm_since_mono = line.mono - 1.0
    for _ in range(100):
        line.sample(9.0, -9.0)
        line.sample(9.0, -12.0)
        assert not line.diode_proven()


def test_each_vehicle_proves_its_diode_by_two_samples_of_its_own() -> None:
    line = Line()
    line.pwm_since_mono = line.mono - 1.0  # as if the oscillator never rested
    for _ in range(3):
        line.hold(A)
        line.sample(9.0)
        assert not line.diode_proven()
        line.sample(9.0)
        assert line.diode_proven()
        line.hold(B)


def test_the_verdict_on_a_diode_ends_with_the_oscillator_and_the_proof_with_unplugging() -> None:
    line = Line().hold(B)
    line.pwm_since_mono = line.mono - 1.0
    line.sample(9.0, -9.0)
    line.sample(9.0, -9.0)
    assert line.diode_wrong()
    line.pwm_since_mono = None
    line.sample(9.0, 9.0)
    assert not line.diode_wrong()
    line.pwm_since_mono = line.mono - 1.0
    line.hold(C)
    line.pwm_since_mono = None
    line.hold(B)
    assert line.diode_proven()
    line.hold(A)
    assert not line.diode_proven()


def test_a_vehicle_that_was_out_of_sight_has_to_prove_its_diode_again() -> None:
    line = Line().hold(B)
    line.pwm_since_mono = line.mono - 1.0
    line.hold(C)
    assert line.diode_proven()
    line.mono += 0.2
    line.watch.update(None, None, line.mono)
    assert not line.diode_proven()


def test_without_a_vehicle_the_low_peak_says_nothing_about_a_diode() -> None:
    line = Line().hold(A)
    line.pwm_since_mono = line.mono - 1.0
    for _ in range(10):
        line.sample(12.0, 0.0)
    assert not line.diode_wrong()
    assert not line.diode_proven()


# ---- Tables A.7 and A.8: duty and current ----------------------------------------------------------------------------

GOLDEN = [
    (6.0, 10.00),
    (10.0, 16.67),
    (13.0, 21.67),
    (16.0, 26.67),
    (20.0, 33.33),
    (25.0, 41.67),
    (32.0, 53.33),
    (40.0, 66.67),
    (48.0, 80.00),
    (51.0, 85.00),
    (63.0, 89.20),
    (80.0, 96.00),
]


@pytest.mark.parametrize("amps, duty", GOLDEN)
def test_the_golden_pairs_hold_rounded_down(amps: float, duty: float) -> None:
    assert duty - 0.0101 <= duty_from_amps(amps) <= duty
    assert amps_from_duty(duty_from_amps(amps)) == pytest.approx(amps, abs=0.03)


@pytest.mark.parametrize("amps, duty", [(6.0, 10.0), (48.0, 80.0), (51.0, 85.0), (63.0, 89.2), (80.0, 96.0)])
def test_a_current_on_the_grid_of_duties_loses_nothing(amps: float, duty: float) -> None:
    assert duty_from_amps(amps) == duty
    assert amps_from_duty(duty) == amps


def test_no_duty_offers_more_than_was_meant() -> None:
    chance = random.Random(1)
    for amps in [*(step / 100 for step in range(12_000)), *(chance.uniform(0, 90) for _ in range(20_000))]:
        duty = duty_from_amps(amps)
        assert amps_from_duty(duty) <= amps
        assert duty == 100.0 or 10.0 <= duty <= 96.0
        if 6.0 <= amps <= 80.0 and not 51.0 < amps < 52.6:
            assert amps_from_duty(duty) > amps - 0.026  # one step of 0.01 % is 25 mA on the steeper slope


@pytest.mark.parametrize("amps", [5.99, 0.0, -1.0, math.nan, -math.inf])
def test_below_6_ampere_nothing_is_offered(amps: float) -> None:
    assert duty_from_amps(amps) == 100.0


@pytest.mark.parametrize("amps", [51.0, 51.01, 52.0, 52.5])
def test_51_to_52_5_ampere_are_clamped_to_51(amps: float) -> None:
    assert duty_from_amps(amps) == 85.0


@pytest.mark.parametrize("amps", [80.0, 80.1, 500.0, math.inf])
def test_more_than_80_ampere_are_80(amps: float) -> None:
    assert duty_from_amps(amps) == 96.0


@pytest.mark.parametrize(
    "duty, amps",
    [
        (0.0, 0.0),
        (2.9, 0.0),
        (5.0, 0.0),
        (7.5, 0.0),
        (8.0, 6.0),
        (9.99, 6.0),
        (10.0, 6.0),
        (85.0, 51.0),
        (96.0, 80.0),
        (96.5, 80.0),
        (97.0, 80.0),
        (97.01, 0.0),
        (100.0, 0.0),
        (-1.0, 0.0),
        (math.nan, 0.0),
        (math.inf, 0.0),
    ],
)
def test_a_duty_is_read_as_table_A_8_says(duty: float, amps: float) -> None:
    assert amps_from_duty(duty) == amps
