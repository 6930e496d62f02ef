import math
from itertools import pairwise

import pytest

from hal.sim.vehicle import S2_CLOSE_S, S2_OPEN_S, Quirk, Vehicle


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
