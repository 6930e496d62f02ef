"""The grid of the plant: the voltage of each phase, and the power and energy of a current that it drives."""

from collections.abc import Iterable, Mapping

from hal.sim.faults import Fault
from hal.sim.settings import PlantSettings

SOURCE_OHMS = 0.08  # grid and cable per phase: 32 A pull the voltage down by 2.6 V
POWER_FACTOR = 0.995


def phase_volts(settings: PlantSettings, faults: Mapping[Fault, float], phase: int) -> float:
    """Voltage of `phase` (from 0) to neutral without load; 0 where it is lost."""
    if not faults:
        return settings.grid_volts[phase]
    lost = faults.get(Fault.GRID_LOSS)
    if lost is not None and lost in {0.0, phase + 1.0}:
        return 0.0
    if Fault.GRID_VOLTS in faults:
        return faults[Fault.GRID_VOLTS]
    return settings.grid_volts[phase]


def power_w(supplies: Iterable[float], amps: float) -> float:
    """What `amps` on each of these phases take, which their voltages without load drive."""
    return sum((volts - SOURCE_OHMS * amps) * amps * POWER_FACTOR for volts in supplies if volts)


def ramp_wh(supplies: tuple[float, ...], start_amps: float, end_amps: float, seconds: float) -> float:
    """Energy while the current is a straight line: power is a parabola, so Simpson's rule is exact."""
    if start_amps == end_amps:
        return power_w(supplies, start_amps) * seconds / 3600
    middle_w = power_w(supplies, (start_amps + end_amps) / 2)
    return (power_w(supplies, start_amps) + 4 * middle_w + power_w(supplies, end_amps)) / 6 * seconds / 3600
