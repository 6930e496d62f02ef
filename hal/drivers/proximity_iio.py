"""Proximity contact of a socket: its resistor to protective earth under a pull-up, read by an ADC of the kernel."""

from typing import Annotated

import msgspec

from hal.drivers.iio_channel import Divider, iio_channel
from hal.drivers.sysfs import ROOT
from hal.iec61851 import cable_amps
from hal.slot import DeviceSlot, DriverSettings
from hal.types import CableRating


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.proximity] with driver = "proximity_iio".

    `adc`, `channel`: the converter and its channel. `pullup_ohms`: the resistor from the contact to the converter's
    reference. `raw_at_reference`: what the channel reads with no plug in. `root`: where sysfs is.
    """

    adc: str
    channel: Annotated[int, msgspec.Meta(ge=0, le=63)]
    pullup_ohms: Annotated[float, msgspec.Meta(ge=50, le=10_000)]
    raw_at_reference: Annotated[float, msgspec.Meta(ge=100, le=16_777_216)]
    root: str = ROOT

    def claims(self) -> tuple[str, ...]:
        """The channel."""
        return (f"{self.root}: channel {self.channel} of adc {self.adc}",)


class IioProximity:
    """The proximity contact of one EVSE."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._slot = slot
        channel = iio_channel(slot.device, settings.root, settings.adc, settings.channel)
        self._divider = Divider(slot.device, channel, settings.pullup_ohms, settings.raw_at_reference)
        self._divider.read_ohms()

    def read(self) -> CableRating:
        """The present resistor and its class; no class without a plug, for a short and for a resistor of no cable."""
        ohms = self._divider.read_ohms()
        return CableRating(ohms, cable_amps(ohms), self._slot.monotonic())

    def close(self) -> None:
        """Give the channel back."""
        self._divider.close()
