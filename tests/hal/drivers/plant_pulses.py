"""The pulse output of a meter that measures the plant."""

from hal.drivers.meter_pulse import Pulse
from tests.hal.plants import World


class PlantPulses:
    """Pulses for what the plant's register gained, spread evenly over the time since the last look."""

    def __init__(self, world: World, pulses_per_kwh: float) -> None:
        self._world = world
        self._wh_each = 1000.0 / pulses_per_kwh
        self._sent = self._due()
        self._looked_mono = world.mono
        self._number = 0

    def take(self) -> list[Pulse]:
        due, before_mono, now_mono = self._due(), self._looked_mono, self._world.mono
        times = due - self._sent
        pulses = []
        for nth in range(1, times + 1):
            self._number += 1
            pulses.append(Pulse(self._number, before_mono + (now_mono - before_mono) * nth / times))
        self._sent, self._looked_mono = due, now_mono
        return pulses

    def close(self) -> None:
        """Nothing is held."""

    def _due(self) -> int:
        with self._world.plant.lock:
            now_mono = self._world.evse.catch_up()
            return int(self._world.evse.meter_values(now_mono).energy_wh / self._wh_each)
