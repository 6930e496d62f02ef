import math
from typing import Any

import pytest

from hal.drivers.meter_judge import LEAP_CONFIRMED_S, Judge
from hal.types import DeviceGarbled, EvseFacts, MeterSample

THREE_PHASES = EvseFacts(max_amps=32, phases=3)


def sample(energy_wh: float = 2_000_000.0, at_mono: float = 100.0, **values: Any) -> MeterSample:
    given = {"power_w": 0.0, "amps": (0.0,) * 3, "volts": (230.0,) * 3, "frequency_hz": 50.0, **values}
    return MeterSample(at_mono, energy_wh, **given)


def judge() -> Judge:
    return Judge("evse[0].meter", THREE_PHASES, 100.0, 3)


@pytest.mark.parametrize(
    "values, text",
    [
        ({"volts": (math.nan, 230.0, 230.0)}, "voltage of L1 reads nan V, possible are 0 to 300 V"),
        ({"volts": (230.0, 300.5, 230.0)}, "voltage of L2 reads 300.5 V"),
        ({"volts": (230.0, 230.0, -1.0)}, "voltage of L3"),
        ({"amps": (121.0, 0.0, 0.0)}, "current of L1 reads 121 A, possible are -120 to 120 A"),
        ({"amps": (0.0, math.inf, 0.0)}, "current of L2"),
        ({"power_w": math.nan}, "power reads nan W"),
        ({"power_w": 1e9}, "power reads 1e"),
        ({"frequency_hz": 44.0}, "frequency reads 44 Hz, possible are 45 to 65 Hz"),
        ({"frequency_hz": 0.0}, "frequency reads 0 Hz"),
        ({"energy_wh": -1.0}, "energy reads -1 Wh"),
        ({"energy_wh": math.inf}, "energy reads inf Wh"),
        ({"energy_wh": math.nan}, "energy reads nan Wh"),
        (
            {"volts": (0.0,) * 3, "energy_wh": 0.0, "frequency_hz": 0.0},
            "every value reads 0: a meter that measures nothing",
        ),
        ({"volts": (0.0,) * 3, "energy_wh": 0.0, "frequency_hz": None}, "every value reads 0"),
    ],
)
def test_a_value_that_cannot_be_is_garbled(values: dict[str, Any], text: str) -> None:
    with pytest.raises(DeviceGarbled) as caught:
        judge().check(sample(**values))
    assert text in str(caught.value)


def test_a_meter_of_a_whole_building_is_not_believed_more_than_an_outlet_can_take() -> None:
    judging = Judge("evse[0].meter", THREE_PHASES, 1000.0, 3)
    judging.check(sample(amps=(160.0, 0.0, 0.0)))
    with pytest.raises(DeviceGarbled, match="possible are -160 to 160 A"):
        judging.check(sample(amps=(161.0, 0.0, 0.0)))


@pytest.mark.parametrize("volts", [(230.0, 0.0, 230.0), (0.0, 230.0, 230.0), (0.0, 0.0, 0.0)])
def test_phases_without_volts_are_a_true_reading(volts: tuple[float, ...]) -> None:
    assert judge().check(sample(volts=volts)) == sample(volts=volts)


def test_a_frequency_measured_on_a_lost_phase_is_none() -> None:
    read = judge().check(sample(volts=(0.0, 230.0, 230.0), frequency_hz=0.0))
    assert read == sample(volts=(0.0, 230.0, 230.0), frequency_hz=None)


@pytest.mark.parametrize("rise_wh, seconds", [(0.0, 0.0), (0.0, 1.0), (20.0, 1.0), (-0.4, 1.0), (22_000.0, 3600.0)])
def test_energy_may_stand_or_rise_as_fast_as_the_meter_can_measure(rise_wh: float, seconds: float) -> None:
    judging = judge()
    judging.check(sample())
    judging.check(sample(2_000_000.0 + rise_wh, 100.0 + seconds))


@pytest.mark.parametrize(
    "rise_wh, seconds, text",
    [
        (-1.0, 1.0, "ran back from 2000000.0 to 1999999.0 Wh"),
        (-2e6, 1.0, "ran back"),
        (60.0, 1.0, "leapt from 2000000.0 to 2000060.0 Wh"),
        (2e5, 3600, "leapt"),
    ],
)
def test_a_register_that_runs_back_or_leaps_is_refused_once_and_forgotten(
    rise_wh: float, seconds: float, text: str
) -> None:
    judging = judge()
    judging.check(sample())
    with pytest.raises(DeviceGarbled, match=text):
        judging.check(sample(2_000_000.0 + rise_wh, 100.0 + seconds))
    judging.check(sample(2_000_001.0, 102.0 + seconds))  # what was refused is not the new measure of things


@pytest.mark.parametrize("fallen_wh", [0.0, 1_500_000.0])
def test_a_register_that_stays_where_it_fell_is_told_as_it_is(fallen_wh: float) -> None:
    """A meter that restarted from an older value, or rolled over from its highest to 0: the charging core decides."""
    judging = judge()
    judging.check(sample())
    with pytest.raises(DeviceGarbled, match="ran back"):
        judging.check(sample(fallen_wh, 101.0))
    assert judging.check(sample(fallen_wh + 1, 102.0)).energy_wh == fallen_wh + 1
    judging.check(sample(fallen_wh + 2, 103.0))


def test_a_register_that_falls_to_something_else_each_time_is_never_told() -> None:
    judging = judge()
    judging.check(sample())
    for n, fallen_wh in enumerate((1000.0, 500_000.0, 3000.0, 900_000.0)):
        with pytest.raises(DeviceGarbled, match="ran back"):
            judging.check(sample(fallen_wh, 101.0 + n))


def test_a_register_that_leapt_is_told_only_when_no_charge_can_go_on() -> None:
    judging = judge()
    judging.check(sample())
    for second in range(int(LEAP_CONFIRMED_S)):
        with pytest.raises(DeviceGarbled, match="leapt from 2000000"):
            judging.check(sample(9_000_000.0 + second, 101.0 + second))
    judging.check(sample(9_000_030.0, 101.0 + LEAP_CONFIRMED_S))
