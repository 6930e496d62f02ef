"""A meter is believed while it is fresh, moves and does not contradict itself."""

import math
from typing import Any

import msgspec
import pytest

from chargerd.evse.metering import (
    FIRST_SAMPLE_S,
    FROZEN_S,
    IMPLAUSIBLE_S,
    OPEN_AMPS,
    OPEN_CURRENT_S,
    SILENT_S,
    MeterWatch,
)
from chargerd.evse.situation import METER_STALE_S
from hal.types import MeterSample

GOOD = MeterSample(0.0, 1000.0, 3450.0, (15.0,), (230.0,), 50.0)


class Watched:
    """A meter watch on its own clock; each `show` is one second later unless said otherwise."""

    def __init__(self) -> None:
        self.watch = MeterWatch()
        self.mono = 1000.0
        self.connected = True
        self.open_since_mono = math.inf
        self.look(0.0)

    def show(self, seconds: float = 1.0, **changes: Any) -> MeterWatch:
        """A new sample: GOOD with `changes`."""
        self.mono += seconds
        sample = msgspec.structs.replace(GOOD, at_mono=self.mono, **changes)
        self.watch.update(sample, "", self.connected, self.open_since_mono, self.mono)
        return self.watch

    def look(self, seconds: float, swapped: str = "") -> MeterWatch:
        """No sample."""
        self.mono += seconds
        self.watch.update(None, swapped, self.connected, self.open_since_mono, self.mono)
        return self.watch

    def believed(self) -> bool:
        return self.watch.sample is not None


# ---- Silent ----------------------------------------------------------------------------------------------------------


def test_a_dead_meter_is_a_fault_within_3_seconds_of_its_last_sample() -> None:
    watched = Watched()
    watched.show()
    assert not watched.look(SILENT_S - 0.01).silent
    assert watched.look(0.02).silent
    assert SILENT_S + 0.02 < 3.0
    assert not watched.show().silent


def test_a_sample_counts_until_it_is_stale() -> None:
    watched = Watched()
    sample = watched.show().sample
    watched.watch.update(sample, "", True, math.inf, watched.mono + METER_STALE_S)
    assert watched.watch.sample is sample
    watched.watch.update(sample, "", True, math.inf, watched.mono + METER_STALE_S + 0.001)
    assert watched.watch.sample is None
    assert not watched.watch.silent


def test_a_meter_that_was_never_heard_has_5_seconds_from_the_start() -> None:
    watched = Watched()
    assert not watched.look(FIRST_SAMPLE_S - 0.01).silent
    assert watched.look(0.02).silent


def test_a_meter_that_was_swapped_is_not_believed_from_that_moment_on_and_is_not_called_silent() -> None:
    watched = Watched()
    sample = watched.show().sample
    watched.watch.update(sample, "2 answers where 1 was", True, math.inf, watched.mono + 0.1)
    assert (watched.watch.sample, watched.watch.swapped) == (None, "2 answers where 1 was")
    assert not watched.look(2 * SILENT_S, swapped="2 answers where 1 was").silent
    assert watched.look(0.02).silent  # neither answers any more
    assert watched.watch.swapped == ""
    watched.show()
    assert watched.believed()


def test_after_the_loop_stood_still_a_meter_has_its_time_again() -> None:
    watched = Watched()
    watched.show()
    watched.mono += 60.0
    watched.watch.resume(watched.mono)
    assert not watched.look(SILENT_S - 0.01).silent
    assert watched.look(0.02).silent


def test_a_sample_that_cannot_be_true_is_none() -> None:
    watched = Watched()
    watched.show()
    assert watched.show(energy_wh=math.nan).sample is None


# ---- Frozen ----------------------------------------------------------------------------------------------------------


def test_a_meter_that_shows_current_and_does_not_move_for_a_minute_is_frozen() -> None:
    watched = Watched()
    watched.show()
    for _ in range(int(FROZEN_S) - 1):
        assert not watched.show().frozen
    assert watched.show().frozen
    assert not watched.believed()
    assert watched.show().frozen


@pytest.mark.parametrize(
    "move", [{"energy_wh": 1000.1}, {"power_w": 3450.1}, {"amps": (15.1,)}, {"volts": (230.1,)}, {"frequency_hz": 50.1}]
)
def test_any_value_that_moves_thaws_it(move: dict[str, Any]) -> None:
    watched = Watched()
    for _ in range(100):
        watched.show()
    assert watched.watch.frozen
    assert not watched.show(**move).frozen
    assert watched.believed()


def test_a_meter_that_moves_now_and_then_is_not_frozen() -> None:
    watched = Watched()
    for count in range(10):
        watched.show(energy_wh=1000.0 + count)
        for _ in range(59):
            assert not watched.show(energy_wh=1000.0 + count).frozen


def test_without_current_there_may_be_nothing_to_move() -> None:
    watched = Watched()
    for _ in range(200):
        assert not watched.show(amps=(1.0,), power_w=230.0).frozen


def test_a_sample_shown_again_is_no_new_sample() -> None:
    watched = Watched()
    sample = watched.show().sample
    for _ in range(100):
        watched.watch.update(sample, "", True, math.inf, watched.mono + 1.0)
        assert not watched.watch.frozen


def test_current_that_stays_to_the_last_digit_when_the_contactor_opens_is_a_frozen_meter() -> None:
    watched = Watched()
    watched.show()
    watched.open_since_mono = watched.mono + 0.5
    assert not watched.show().frozen
    assert not watched.show(seconds=OPEN_CURRENT_S - 0.6).frozen
    assert watched.show(seconds=0.1).frozen
    assert not watched.show(amps=(0.0,), power_w=0.0).frozen


def test_current_that_moved_after_the_contactor_opened_is_current() -> None:
    watched = Watched()
    watched.show()
    watched.open_since_mono = watched.mono + 0.5
    watched.show(amps=(14.9,))
    for _ in range(10):
        assert not watched.show(amps=(14.9,)).frozen
    assert watched.believed()


# ---- Implausible -----------------------------------------------------------------------------------------------------


def test_power_that_contradicts_volts_and_amps_for_10_seconds_is_implausible() -> None:
    watched = Watched()
    for count in range(int(IMPLAUSIBLE_S)):
        assert watched.show(power_w=1000.0, energy_wh=1000.0 + count).implausible == ""
        assert watched.believed()
    assert watched.show(power_w=1000.0, energy_wh=1010.0).implausible == "1000 W beside 3450 VA"
    assert not watched.believed()
    assert watched.show(energy_wh=1011.0).implausible == ""


def test_a_contradiction_that_pauses_starts_again() -> None:
    watched = Watched()
    for _ in range(5):
        for _ in range(9):
            assert watched.show(power_w=9000.0).implausible == ""
        assert watched.show().implausible == ""


@pytest.mark.parametrize(
    "watts, odd", [(3450 * 1.3 + 200, False), (3450 * 1.3 + 201, True), (3450 * 0.7 - 200, False), (2214.0, True)]
)
def test_30_percent_and_200_watts_are_the_margin(watts: float, odd: bool) -> None:
    watched = Watched()
    for _ in range(12):
        watched.show(power_w=watts)
    assert bool(watched.watch.implausible) is odd


def test_a_meter_that_counts_the_other_way_round_does_not_contradict_itself() -> None:
    watched = Watched()
    for _ in range(12):
        assert watched.show(power_w=-3450.0, amps=(-15.0,)).implausible == ""


def test_without_a_voltage_for_each_current_there_is_nothing_to_compare() -> None:
    watched = Watched()
    for _ in range(12):
        assert watched.show(power_w=0.0, volts=()).implausible == ""


def test_a_register_that_falls_while_a_vehicle_is_there_is_implausible_until_it_has_gone() -> None:
    watched = Watched()
    watched.show(energy_wh=5000.0)
    assert watched.show(energy_wh=4998.9).implausible == "register fell from 5000 to 4999 Wh"
    for count in range(10):
        assert watched.show(energy_wh=100.0 + count).implausible
        assert not watched.believed()
    watched.connected = False
    watched.show(energy_wh=200.0)
    assert watched.show(energy_wh=201.0).implausible == ""
    watched.connected = True
    assert watched.show(energy_wh=202.0).implausible == ""


def test_a_register_that_comes_back_to_where_it_was_is_believed_again() -> None:
    watched = Watched()
    watched.show(energy_wh=5000.0)
    assert watched.show(energy_wh=10.0).implausible
    assert watched.show(energy_wh=5000.5).implausible == ""


def test_a_register_that_rounds_its_last_digit_down_is_plausible() -> None:
    watched = Watched()
    watched.show(energy_wh=5000.0)
    assert watched.show(energy_wh=4999.0).implausible == ""


def test_a_register_that_falls_while_the_power_is_odd_as_well_is_not_forgotten() -> None:
    watched = Watched()
    for count in range(12):
        watched.show(power_w=0.0, energy_wh=5000.0 + count)
    assert watched.show(energy_wh=5000.0).implausible.startswith("register fell from 5011")


# ---- Figures -------------------------------------------------------------------------------------------------------


def test_before_anything_was_read_nothing_is_believed_and_nothing_is_wrong() -> None:
    watch = MeterWatch()
    assert (watch.sample, watch.silent, watch.frozen, watch.implausible) == (None, False, False, "")


def test_the_figures_are_those_that_the_rules_name() -> None:
    assert (SILENT_S, FIRST_SAMPLE_S, FROZEN_S) == (2.9, 5.0, 60.0)
    assert (OPEN_AMPS, OPEN_CURRENT_S, IMPLAUSIBLE_S) == (1.0, 2.0, 10.0)


def test_a_meter_is_silent_from_that_very_moment_on() -> None:
    watch = MeterWatch()
    watch.update(msgspec.structs.replace(GOOD, at_mono=0.0), "", True, math.inf, 0.0)
    watch.update(None, "", True, math.inf, SILENT_S)
    assert watch.silent
