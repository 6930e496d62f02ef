"""One channel of an analogue-digital converter of the kernel (IIO), and the resistor divider that often sits on it."""

from pathlib import Path

from hal.drivers.sysfs import SysfsNumber, find_device
from hal.iec61851 import NO_CABLE_OHMS
from hal.types import DeviceGarbled

BEYOND_RANGE = 0.05
"""So far outside of 0 to 1 a divider may read by noise and offset."""

OPEN_RATIO = 0.99
"""Above this nothing is connected: the converter sees the reference through the pull-up."""


def iio_channel(device: str, root: str, adc: str, channel: int) -> SysfsNumber:
    """The raw value of a channel. `adc`: the converter's name (`mcp3208`), or what it sits on (`spi0.0`, `1-0048`)."""

    def find() -> Path:
        folder = Path(root) / "bus/iio/devices"
        entry = find_device(device, folder, "iio:device*", adc, "enable it in the device tree (an overlay)")
        return entry / f"in_voltage{channel}_raw"

    return SysfsNumber(device, find)


class Divider:
    """A resistor to ground at a channel with a pull-up to the reference.

    `pullup_ohms`: the pull-up. `raw_at_reference`: what the channel reads with nothing connected.
    """

    def __init__(self, device: str, channel: SysfsNumber, pullup_ohms: float, raw_at_reference: float) -> None:
        self._device = device
        self._channel = channel
        self._pullup_ohms = pullup_ohms
        self._raw_at_reference = raw_at_reference

    def read_ohms(self) -> float:
        """The resistor; NO_CABLE_OHMS when nothing is connected. HalError when the converter is silent or wrong."""
        raw = self._channel.read()
        ratio = raw / self._raw_at_reference
        if not -BEYOND_RANGE <= ratio <= 1 + BEYOND_RANGE:
            why = f"the converter reads {raw:g}, possible are 0 to {self._raw_at_reference:g}"
            raise DeviceGarbled(self._device, why)
        if ratio >= OPEN_RATIO:
            return NO_CABLE_OHMS
        return self._pullup_ohms * max(0.0, ratio) / (1 - max(0.0, ratio))

    def close(self) -> None:
        """Give the channel back."""
        self._channel.close()
