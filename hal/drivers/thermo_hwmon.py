"""A temperature sensor that the kernel knows (hwmon): on an I2C bus, on the board, or in the processor."""

from pathlib import Path
from typing import Annotated

import msgspec

from hal.drivers.sysfs import ROOT, SysfsNumber, find_device
from hal.drivers.thermometry import sane_celsius
from hal.slot import DeviceSlot, DriverSettings
from hal.types import Temperature


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.thermometer] or [evse.plug_thermometer] with driver = "thermo_hwmon".

    `chip`: the sensor's name (`lm75`), or what it sits on (`1-0048`). `input`: which of its inputs. `root`: where sysfs
    is.
    """

    chip: str
    input: Annotated[int, msgspec.Meta(ge=1, le=32)] = 1
    root: str = ROOT


class HwmonThermometer:
    """A temperature in thousandths of a degree from one file."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        def find() -> Path:
            folder = Path(settings.root) / "class/hwmon"
            remedy = "enable it in the device tree (an overlay)"
            entry = find_device(slot.device, folder, "hwmon*", settings.chip, remedy)
            return entry / f"temp{settings.input}_input"

        self._slot = slot
        self._number = SysfsNumber(slot.device, find)
        self.read()

    def read(self) -> Temperature:
        """The present temperature. HalError when there is none, or none that can be."""
        celsius = sane_celsius(self._slot.device, self._number.read() / 1000)
        return Temperature(celsius, self._slot.monotonic())

    def close(self) -> None:
        """Give the file back."""
        self._number.close()
