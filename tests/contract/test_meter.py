import math
import time

from hal.interfaces import Meter
from tests.contract.stands import Stand

ROLE = "meter"


def test_a_sample_is_fresh_and_has_a_value_for_each_phase(stand: Stand[Meter]) -> None:
    before = stand.monotonic()
    sample = stand.device.read()
    assert before - stand.age_s <= sample.at_mono <= stand.monotonic()
    assert len(sample.amps) == len(sample.volts) == stand.facts.phases


def test_a_sample_is_possible(stand: Stand[Meter]) -> None:
    sample = stand.device.read()
    assert all(0 <= volts <= 300 for volts in sample.volts)
    assert max(sample.volts) > stand.facts.nominal_volts / 2
    assert all(abs(amps) <= 100 for amps in sample.amps)
    assert sample.energy_wh >= 0
    assert math.isfinite(sample.energy_wh)
    assert math.isfinite(sample.power_w)
    assert sample.frequency_hz is None or 45 <= sample.frequency_hz <= 65


def test_energy_never_runs_back(stand: Stand[Meter]) -> None:
    registers = []
    for _ in range(5):
        registers.append(stand.device.read().energy_wh)
        stand.wait(0.3)
    assert registers == sorted(registers)


def test_no_vehicle_draws_no_current(stand: Stand[Meter]) -> None:
    assert all(abs(amps) < 0.5 for amps in stand.device.read().amps)


def test_a_sample_takes_a_second_at_most(stand: Stand[Meter]) -> None:
    begin = time.monotonic()
    stand.device.read()
    assert time.monotonic() - begin <= 1.0  # the guard wants one each second
