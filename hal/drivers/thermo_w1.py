"""A temperature sensor on the 1-Wire bus (DS18B20 and kin), measured and checked (CRC) by the kernel's w1_therm.

A measurement takes up to 0.75 s, so this is for the pollers only, never for the control loop.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from hal.drivers.sysfs import ROOT, SysfsNumber
from hal.drivers.thermometry import sane_celsius
from hal.slot import DeviceSlot, DriverSettings
from hal.types import DeviceGarbled, DeviceMissing, Temperature

POWER_ON_CELSIUS = 85.0
"""What a sensor shows that lost its power before it measured. No charge comes near a true 85 C: it may go too."""


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.thermometer] or [evse.plug_thermometer] with driver = "thermo_w1".

    `sensor`: the sensor's number (`28-0316a2795aff`). `root`: where sysfs is.
    """

    sensor: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{2}-[0-9a-f]{12}$")]
    root: str = ROOT

    def claims(self) -> tuple[str, ...]:
        """The sensor: it is here or there."""
        return (f"{self.root}: 1-Wire sensor {self.sensor}",)


class W1Thermometer:
    """A temperature in thousandths of a degree from one file."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._settings = settings
        self._slot = slot
        self._number = SysfsNumber(slot.device, self._find)
        self.read()

    def read(self) -> Temperature:
        """The present temperature. HalError when the sensor is silent, its CRC was wrong, or it has just powered up."""
        celsius = self._number.read() / 1000
        if celsius == POWER_ON_CELSIUS:
            why = f"shows {POWER_ON_CELSIUS:g} C, as after a loss of power; is its supply wire in order?"
            raise DeviceGarbled(self._slot.device, why)
        return Temperature(sane_celsius(self._slot.device, celsius), self._slot.monotonic())

    def close(self) -> None:
        """Give the file back."""
        self._number.close()

    def _find(self) -> Path:
        folder = Path(self._settings.root) / "bus/w1/devices"
        sensor = folder / self._settings.sensor
        if not sensor.is_dir():
            there = ", ".join(sorted(entry.name for entry in folder.glob("[0-9a-f]*-*"))) or "none"
            why = f"no sensor {self._settings.sensor} in {folder} (there: {there}); is it wired, is 1-Wire enabled?"
            raise DeviceMissing(self._slot.device, why)
        return sensor / "temperature"
