"""A resistor that tells the temperature (NTC, PT1000, ...) under a pull-up, read by an ADC of the kernel."""

from typing import Annotated

import msgspec

from hal.drivers.iio_channel import Divider, iio_channel
from hal.drivers.sysfs import ROOT
from hal.drivers.thermometry import ntc_celsius, platinum_celsius, sane_celsius, table_celsius
from hal.iec61851 import NO_CABLE_OHMS
from hal.slot import DeviceSlot, DriverSettings
from hal.types import BoardError, DeviceGarbled, EvseFacts, Temperature

Ohms = Annotated[float, msgspec.Meta(ge=1, le=1_000_000)]


class Corner(msgspec.Struct, frozen=True, array_like=True):
    """One corner of a sensor's curve."""

    ohms: float
    celsius: float


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.thermometer] or [evse.plug_thermometer] with driver = "thermo_iio".

    `adc`, `channel`: the converter and its channel. `pullup_ohms`: the resistor to the converter's reference.
    `raw_at_reference`: what the channel reads with nothing connected. The sensor, one of: `r25_ohms` with
    `beta_kelvin` (NTC), `r0_ohms` (platinum), `table` (corners [ohms, celsius] of rising ohms). `root`: where sysfs is.
    """

    adc: str
    channel: Annotated[int, msgspec.Meta(ge=0, le=63)]
    pullup_ohms: Ohms
    raw_at_reference: Annotated[float, msgspec.Meta(ge=100, le=16_777_216)]
    r25_ohms: Ohms | None = None
    beta_kelvin: Annotated[float, msgspec.Meta(ge=1000, le=6000)] | None = None
    r0_ohms: Ohms | None = None
    table: tuple[Corner, ...] = ()
    root: str = ROOT

    def check(self, evse: EvseFacts) -> None:
        """The sensor is described once, and a table rises."""
        described = (self.r25_ohms is not None, self.r0_ohms is not None, bool(self.table))
        if described.count(True) != 1:
            raise BoardError("r25_ohms", "the sensor is described never or twice", "give r25_ohms, r0_ohms or table")
        if (self.r25_ohms is None) != (self.beta_kelvin is None):
            raise BoardError("beta_kelvin", "an NTC has r25_ohms and beta_kelvin", "give both or neither")
        ohms = [corner.ohms for corner in self.table]
        if self.table and (len(ohms) < 2 or sorted(set(ohms)) != ohms):
            raise BoardError("table", "the ohms do not rise", "give two corners or more, the ohms rising")

    def claims(self) -> tuple[str, ...]:
        """The channel."""
        return (f"{self.root}: channel {self.channel} of adc {self.adc}",)


class IioThermometer:
    """One temperature by a resistor."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._settings = settings
        self._slot = slot
        channel = iio_channel(slot.device, settings.root, settings.adc, settings.channel)
        self._divider = Divider(slot.device, channel, settings.pullup_ohms, settings.raw_at_reference)
        self.read()

    def read(self) -> Temperature:
        """The present temperature. HalError when the converter cannot be read, or the sensor is broken or shorted."""
        ohms = self._divider.read_ohms()
        if ohms >= NO_CABLE_OHMS:
            raise DeviceGarbled(self._slot.device, "the sensor reads as an open wire")
        celsius = sane_celsius(self._slot.device, self._celsius(ohms))
        return Temperature(celsius, self._slot.monotonic())

    def close(self) -> None:
        """Give the channel back."""
        self._divider.close()

    def _celsius(self, ohms: float) -> float:
        settings = self._settings
        if settings.r25_ohms is not None and settings.beta_kelvin is not None:
            return ntc_celsius(ohms, settings.r25_ohms, settings.beta_kelvin)
        if settings.r0_ohms is not None:
            return platinum_celsius(ohms, settings.r0_ohms)
        return table_celsius(ohms, [(corner.ohms, corner.celsius) for corner in settings.table])
