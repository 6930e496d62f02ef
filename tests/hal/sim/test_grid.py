import pytest

from hal.sim.faults import Fault
from hal.sim.grid import POWER_FACTOR, SOURCE_OHMS, phase_volts, power_w, ramp_wh
from hal.sim.settings import PlantSettings

SETTINGS = PlantSettings(grid_volts=(230.0, 231.0, 232.0))


@pytest.mark.parametrize(
    "faults, volts",
    [
        ({}, (230.0, 231.0, 232.0)),
        ({Fault.GRID_LOSS: 2.0}, (230.0, 0.0, 232.0)),
        ({Fault.GRID_LOSS: 0.0}, (0.0, 0.0, 0.0)),
        ({Fault.GRID_VOLTS: 270.0}, (270.0, 270.0, 270.0)),
        ({Fault.GRID_VOLTS: 270.0, Fault.GRID_LOSS: 1.0}, (0.0, 270.0, 270.0)),
    ],
)
def test_each_phase_has_its_voltage_unless_it_is_lost(faults: dict[Fault, float], volts: tuple[float, ...]) -> None:
    assert tuple(phase_volts(SETTINGS, faults, phase) for phase in range(3)) == volts


def test_power_falls_short_by_what_the_wires_take_and_a_lost_phase_gives_none() -> None:
    assert power_w((230.0, 0.0, 230.0), 32.0) == pytest.approx(2 * (230 - 32 * SOURCE_OHMS) * 32 * POWER_FACTOR)
    assert power_w((230.0,), 0.0) == 0.0


def test_energy_of_a_ramp_is_that_of_its_many_small_steps() -> None:
    supplies, steps = (230.0, 231.0), 1000
    small = sum(power_w(supplies, 32.0 * (step + 0.5) / steps) * 4.0 / steps / 3600 for step in range(steps))
    assert ramp_wh(supplies, 0.0, 32.0, 4.0) == pytest.approx(small, rel=1e-6)
    assert ramp_wh(supplies, 16.0, 16.0, 3600.0) == pytest.approx(power_w(supplies, 16.0))
