"""IEC 61851-1 annex B: the cable's rating is read at plug-in and watched."""

import math

import pytest

from chargerd.evse.cable import CABLE_STALE_S, NO_CABLE_OHMS, CableWatch
from hal.types import CableRating

NOW = 1000.0


def rated(amps: float | None, at_mono: float = NOW) -> CableRating:
    return CableRating(680.0, amps, at_mono)


def test_a_cable_is_rated_at_plug_in() -> None:
    watch = CableWatch()
    watch.update(rated(20.0), True, NOW)
    assert watch.amps == 20.0
    assert (watch.changed, watch.invalid, watch.silent) == (False, False, False)


def test_without_a_vehicle_no_cable_is_rated() -> None:
    watch = CableWatch()
    watch.update(rated(20.0), False, NOW)
    assert watch.amps is None
    assert not watch.silent


def test_a_lower_rating_counts_at_once_and_a_higher_never() -> None:
    watch = CableWatch()
    watch.update(rated(20.0), True, NOW)
    watch.update(rated(13.0), True, NOW)
    assert watch.amps == 13.0
    assert watch.changed
    watch.update(rated(32.0), True, NOW)
    assert watch.amps == 20.0
    assert watch.changed
    watch.update(rated(20.0), True, NOW)
    assert not watch.changed


@pytest.mark.parametrize("amps", [None, math.nan, math.inf, 0.0, -13.0])
def test_a_resistor_outside_every_class_is_no_rating(amps: float | None) -> None:
    watch = CableWatch()
    watch.update(rated(amps), True, NOW)
    assert (watch.invalid, watch.amps) == (True, None)
    watch.update(rated(20.0), True, NOW)
    assert (watch.invalid, watch.amps) == (False, 20.0)


def test_a_silent_contact_is_no_rating_and_the_first_one_is_kept() -> None:
    watch = CableWatch()
    watch.update(rated(20.0), True, NOW)
    watch.update(None, True, NOW)
    assert watch.silent
    assert watch.amps is None
    watch.update(rated(20.0), True, NOW + CABLE_STALE_S + 0.001)
    assert watch.silent
    watch.update(rated(32.0, NOW + 5), True, NOW + 5)
    assert watch.amps == 20.0


def test_the_next_vehicle_brings_its_own_cable() -> None:
    watch = CableWatch()
    watch.update(rated(20.0), True, NOW)
    watch.update(rated(None), False, NOW)
    assert not watch.invalid
    watch.update(rated(32.0), True, NOW)
    assert watch.amps == 32.0
    assert not watch.changed


@pytest.mark.parametrize("ohms, absent", [(4500.0, False), (4500.1, True), (1_000_000.0, True), (math.inf, True)])
def test_above_4500_ohms_no_plug_touches_the_contact(ohms: float, absent: bool) -> None:
    watch = CableWatch()
    watch.update(CableRating(ohms, None, NOW), True, NOW)
    assert NO_CABLE_OHMS == 4500.0
    assert (watch.absent, watch.invalid, watch.amps) == (absent, not absent, None)
    watch.update(CableRating(ohms, None, NOW), False, NOW)
    assert not watch.absent


def test_a_reading_that_names_a_rating_is_of_a_plug_whatever_its_resistor() -> None:
    watch = CableWatch()
    watch.update(CableRating(10_000.0, 32.0, NOW), True, NOW)
    assert (watch.absent, watch.amps) == (False, 32.0)


def test_before_anything_was_read_nothing_is_known_and_nothing_is_wrong() -> None:
    watch = CableWatch()
    assert (watch.amps, watch.silent, watch.absent, watch.invalid, watch.changed) == (None, True, False, False, False)
    assert CABLE_STALE_S == 2.0


@pytest.mark.parametrize("vehicle", [True, False])
def test_a_plug_is_seen_with_and_without_a_vehicle(vehicle: bool) -> None:
    watch = CableWatch()
    watch.update(rated(20.0), vehicle, NOW)
    seen = [watch.plugged]
    watch.update(CableRating(NO_CABLE_OHMS + 1, None, NOW), vehicle, NOW)
    seen.append(watch.plugged)
    watch.update(None, vehicle, NOW)
    assert [*seen, watch.plugged] == [True, False, None]
