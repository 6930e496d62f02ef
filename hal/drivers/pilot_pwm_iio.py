"""Control pilot made by the kernel's PWM and measured by an ADC behind two peak detectors: Linux drives it directly.

The PWM goes on with its last duty when Linux dies: a vehicle would go on drawing 32 A from a station that is no longer
there. So this driver only takes boards on which a watchdog circuit both opens the contactor and takes the pilot away
(`relay_deadman = "hardware"`): it gates the level shifter that makes +-12 V of the PWM.

What the board has to have besides: a level shifter that follows the PWM with 1 kOhm source, a detector each for the
positive and the negative peak that follows a change within 20 ms and holds its level at 5 % duty, and an ADC that the
kernel reads within 2 ms (SPI, or on the chip; a slow I2C one does not do).
"""

from pathlib import Path
from typing import Annotated

import msgspec

from hal.drivers.iio_channel import iio_channel
from hal.drivers.pwm_channel import PwmChannel
from hal.drivers.sysfs import ROOT, SysfsNumber
from hal.iec61851 import check_duty
from hal.slot import DeviceSlot, DriverSettings
from hal.types import BoardError, DeviceGarbled, EvseFacts, HalError, PilotMode, PilotReading, RelayDeadman, WakeUp

HIGHEST_VOLTS = 15.0
"""A +-12 V stage cannot show more: beyond it the detector, the ADC or the calibration is broken."""

PEAKS_APART_VOLTS = 1.0
"""The negative peak cannot lie above the positive one; on a steady pilot both are equal but for this tolerance."""

Channel = Annotated[int, msgspec.Meta(ge=0, le=63)]


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One point of a calibration: what the ADC reads when the pilot has so many volts."""

    raw: float
    volts: float


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.pilot] with driver = "pilot_pwm_iio".

    `pwm`, `channel`: the PWM device and its channel. `inverted`: the level shifter turns the signal round. `state_f`:
    it makes -12 V of 0 %. `adc`: the converter of both detectors; `high_channel`, `low_channel`: the channels of the
    positive and the negative peak; `high_points`, `low_points`: two points of the straight line of each. `root`: where
    sysfs is.
    """

    pwm: str
    channel: Channel = 0
    inverted: bool = False
    state_f: bool = True
    adc: str
    high_channel: Channel
    low_channel: Channel
    high_points: tuple[Point, Point]
    low_points: tuple[Point, Point]
    root: str = ROOT

    def check(self, evse: EvseFacts) -> None:
        """The board has a dead-man that ends the pilot too; the calibrations are lines; two channels are two."""
        if evse.relay_deadman not in {RelayDeadman.HARDWARE, RelayDeadman.SIMULATED}:
            raise BoardError(
                "pwm",
                f"the kernel's PWM keeps its last duty when Linux dies, and relay_deadman is '{evse.relay_deadman}'",
                'it takes a watchdog circuit that opens the contactor and ends the pilot: relay_deadman = "hardware"',
            )
        for key, (one, other) in (("high_points", self.high_points), ("low_points", self.low_points)):
            if one.raw == other.raw or one.volts == other.volts:
                raise BoardError(key, "both points are the same", "measure two levels far apart, +12 V and 0 V say")
        if self.high_channel == self.low_channel:
            raise BoardError("low_channel", "both peaks on one channel", "give each detector its own")

    def claims(self) -> tuple[str, ...]:
        """The channel of the PWM and those of the converter."""
        return (
            f"{self.root}: channel {self.channel} of pwm {self.pwm}",
            f"{self.root}: channel {self.high_channel} of adc {self.adc}",
            f"{self.root}: channel {self.low_channel} of adc {self.adc}",
        )

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """State F is there only where the stage can make -12 V, and so is waking a vehicle by it."""
        if self.state_f:
            return evse
        wake_up = WakeUp.INTERRUPT if evse.wake_up is WakeUp.STATE_F else evse.wake_up
        return msgspec.structs.replace(evse, has_state_f=False, wake_up=wake_up)

    def writes(self) -> tuple[str, ...]:
        """Where the PWM is: its number and so its path are not known before it is there, but all of them are below."""
        return ("/sys/devices/platform",) if self.root == ROOT else ()


class PwmIioPilot:
    """The control pilot of one EVSE."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._settings = settings
        self._slot = slot
        self._high = Peak(slot.device, settings, settings.high_channel, settings.high_points)
        self._low = Peak(slot.device, settings, settings.low_channel, settings.low_points)
        self._pwm = PwmChannel(
            slot.device, Path(settings.root), settings.pwm, settings.channel, inverted=settings.inverted
        )
        self._pwm.open(1.0)  # steady +12 V

    def read(self) -> PilotReading:
        """The present peaks in volts. HalError when the converter cannot be read, or reads what cannot be."""
        high_volts, low_volts = self._high.read_volts(), self._low.read_volts()
        if low_volts > high_volts + PEAKS_APART_VOLTS:  # the level may have changed between the two
            high_volts = self._high.read_volts()
        if low_volts > high_volts + PEAKS_APART_VOLTS:
            why = f"the negative peak reads {low_volts:.1f} V, the positive one {high_volts:.1f} V; are they swapped?"
            raise DeviceGarbled(self._slot.device, why)
        return PilotReading(high_volts, low_volts, self._slot.monotonic())

    def set(self, mode: PilotMode, duty_percent: float) -> None:
        """Drive the pilot. HalError for a duty above the board's rating, and for a mode that the board has not."""
        self._pwm.set(self._fraction(mode, duty_percent))

    def close(self) -> None:
        """Give the files back. The channel stays as it is, at best in its safe state: letting go of it would leave its
        level to the hardware.
        """
        self._high.close()
        self._low.close()

    def _fraction(self, mode: PilotMode, duty_percent: float) -> float:
        if mode is PilotMode.PWM:
            check_duty(self._slot.device, duty_percent, self._slot.evse.max_amps)
            return duty_percent / 100
        if mode is PilotMode.STEADY_HIGH:
            return 1.0
        if mode is PilotMode.STEADY_LOW and self._settings.state_f:
            return 0.0
        raise HalError(self._slot.device, f"the board cannot put the pilot to '{mode}'")


class Peak:
    """One peak detector: its channel and the straight line from what the ADC reads to volts."""

    def __init__(self, device: str, settings: Settings, channel: int, points: tuple[Point, Point]) -> None:
        one, other = points
        self._device = device
        self._channel: SysfsNumber = iio_channel(device, settings.root, settings.adc, channel)
        self._volts_per_step = (other.volts - one.volts) / (other.raw - one.raw)
        self._volts_at_zero = one.volts - one.raw * self._volts_per_step

    def read_volts(self) -> float:
        """The level now; DeviceGarbled beyond what the stage can make."""
        volts = self._volts_at_zero + self._channel.read() * self._volts_per_step
        if not -HIGHEST_VOLTS <= volts <= HIGHEST_VOLTS:
            raise DeviceGarbled(self._device, f"the detector shows {volts:.1f} V, the stage makes 12 V; see its points")
        return volts

    def close(self) -> None:
        """Give the channel back."""
        self._channel.close()
