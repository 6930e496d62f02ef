"""What is stale, from the future or impossible does not get into a Situation."""

import math
from typing import Any

import msgspec
import pytest

from chargerd.evse.situation import (
    AHEAD_S,
    FEEDBACK_STALE_S,
    LOCK_STALE_S,
    METER_STALE_S,
    TEMPERATURE_STALE_S,
    Situation,
    board_stale_s,
    celsius_of,
    feedback_of,
    inputs_of,
    is_fresh,
    lock_of,
    meter_of,
    most_amps,
    residual_of,
)
from hal.types import (
    EvseFacts,
    InputName,
    InputsReading,
    LockReading,
    MeterSample,
    RelayReading,
    ResidualReading,
    Temperature,
)

NOW = 1000.0
SAMPLE = MeterSample(NOW, 1234.0, 3680.0, (16.0, 15.0, 14.0), (230.0, 231.0, 229.0))


@pytest.mark.parametrize("age_s, fresh", [(0.0, True), (5.0, True), (5.001, False), (-AHEAD_S + 0.001, True)])
def test_age_decides(age_s: float, fresh: bool) -> None:
    assert is_fresh(NOW - age_s, NOW, 5.0) is fresh


@pytest.mark.parametrize("at_mono", [NOW + AHEAD_S + 0.001, math.inf, -math.inf, math.nan])
def test_the_future_and_what_is_no_time_are_not_fresh(at_mono: float) -> None:
    assert not is_fresh(at_mono, NOW, 5.0)


@pytest.mark.parametrize("closed", [True, False])
def test_feedback_counts_for_250_ms(closed: bool) -> None:
    assert feedback_of(RelayReading(closed, NOW - FEEDBACK_STALE_S), NOW) is closed
    assert feedback_of(RelayReading(closed, NOW - FEEDBACK_STALE_S - 0.001), NOW) is None
    assert feedback_of(RelayReading(None, NOW), NOW) is None
    assert feedback_of(None, NOW) is None


def test_a_controller_that_opens_by_itself_may_be_silent_for_as_long_as_its_pilot_is_believed() -> None:
    assert board_stale_s(EvseFacts(max_amps=32, phases=3)) == FEEDBACK_STALE_S
    stale_s = board_stale_s(EvseFacts(max_amps=32, phases=3, autonomous=True, pilot_stale_s=2.0))
    assert stale_s == 2.0
    assert feedback_of(RelayReading(True, NOW - 2.0), NOW, stale_s) is True
    assert feedback_of(RelayReading(True, NOW - 2.001), NOW, stale_s) is None
    reading = ResidualReading(False, False, NOW)
    assert residual_of(reading, NOW + 2.0, stale_s) is reading
    assert residual_of(reading, NOW + 2.001, stale_s) is None


def test_a_meter_sample_counts_for_two_and_a_half_seconds() -> None:
    assert METER_STALE_S == 2.5
    assert meter_of(SAMPLE, NOW + METER_STALE_S) is SAMPLE
    assert meter_of(SAMPLE, NOW + METER_STALE_S + 0.001) is None
    assert meter_of(None, NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        {"energy_wh": math.nan},
        {"power_w": math.inf},
        {"amps": ()},
        {"amps": (1.0, 1.0, 1.0, 1.0)},
        {"amps": (1.0, math.nan)},
        {"amps": (1001.0,)},
        {"amps": (-math.inf,)},
        {"volts": (230.0, math.nan)},
        {"volts": (1000.1,)},
        {"volts": (-0.1,)},
    ],
)
def test_a_sample_with_an_impossible_value_is_none(change: dict[str, Any]) -> None:
    assert meter_of(msgspec.structs.replace(SAMPLE, **change), NOW) is None


def test_the_residual_monitor_counts_for_250_ms() -> None:
    reading = ResidualReading(True, False, NOW)
    assert residual_of(reading, NOW + FEEDBACK_STALE_S - 0.001) is reading
    assert residual_of(reading, NOW + FEEDBACK_STALE_S + 0.001) is None
    assert residual_of(None, NOW) is None


def test_the_lock_counts_for_a_second() -> None:
    reading = LockReading(True, NOW)
    assert lock_of(reading, NOW + LOCK_STALE_S) is reading
    assert lock_of(reading, NOW + LOCK_STALE_S + 0.001) is None
    assert lock_of(None, NOW) is None


@pytest.mark.parametrize("celsius", [-60.0, 20.0, 200.0])
def test_a_temperature_counts_for_30_seconds(celsius: float) -> None:
    assert celsius_of(Temperature(celsius, NOW), NOW + TEMPERATURE_STALE_S) == celsius
    assert celsius_of(Temperature(celsius, NOW), NOW + TEMPERATURE_STALE_S + 0.001) is None
    assert celsius_of(None, NOW) is None


@pytest.mark.parametrize("celsius", [-60.1, 200.1, math.nan, math.inf])
def test_a_temperature_no_thermometer_can_show_is_none(celsius: float) -> None:
    assert celsius_of(Temperature(celsius, NOW), NOW) is None


def test_the_phase_that_carries_most_counts_whichever_way() -> None:
    assert most_amps(SAMPLE) == 16.0
    assert most_amps(msgspec.structs.replace(SAMPLE, amps=(1.0, -20.0))) == 20.0


def test_volts_from_nothing_to_a_thousand_are_values() -> None:
    for volts in ((), (0.0, 1000.0)):
        sample = msgspec.structs.replace(SAMPLE, volts=volts)
        assert meter_of(sample, NOW) is sample


def test_the_input_lines_count_for_250_ms() -> None:
    reading = InputsReading((InputName.BUTTON,), NOW)
    assert inputs_of(reading, NOW + FEEDBACK_STALE_S - 0.001) == (InputName.BUTTON,)
    assert inputs_of(reading, NOW + FEEDBACK_STALE_S + 0.001) is None
    assert inputs_of(None, NOW) is None


@pytest.mark.parametrize("since_mono, has_to", [(NOW - 1, True), (NOW, True), (NOW + 0.01, False), (math.inf, False)])
def test_the_contactor_has_to_be_open_from_a_moment_on(since_mono: float, has_to: bool) -> None:
    facts = EvseFacts(max_amps=16.0, phases=1)
    assert Situation(facts=facts, now_mono=NOW, open_since_mono=since_mono).has_to_be_open is has_to


def test_what_is_not_said_is_not_known_and_nothing_is_wrong() -> None:
    situation = Situation(facts=EvseFacts(max_amps=16.0, phases=1), now_mono=NOW)
    said = {name for name in situation.__struct_fields__ if getattr(situation, name) is True}
    assert said == {"pilot_missing"}
    assert (situation.offered_amps, situation.meter_implausible, situation.alarms) == (0.0, "", ())
    unknown = ("feedback", "meter", "celsius", "plug_celsius", "inputs", "cable_amps")
    assert all(getattr(situation, name) is None for name in unknown)


def test_the_ages_are_those_that_the_rules_name() -> None:
    assert (AHEAD_S, FEEDBACK_STALE_S, LOCK_STALE_S, TEMPERATURE_STALE_S) == (0.05, 0.25, 1.0, 30.0)


def test_values_on_the_edge_of_sanity_are_values() -> None:
    sample = msgspec.structs.replace(SAMPLE, amps=(1000.0, -1000.0))
    assert meter_of(sample, NOW) is sample
    assert meter_of(msgspec.structs.replace(SAMPLE, amps=(1.0,)), NOW) is not None
