"""Energy meter with a pulse output (S0, IEC 62053-31) on a GPIO line: so many pulses for each kilowatt-hour.

It counts energy, and tells power by how far pulses are apart; current follows from the nominal voltage. It is better
than no meter and worse than any other: a cut wire looks like no current, voltage is not measured at all, and the count
begins at 0 with each start of the process. So it serves single-phase EVSEs only, and no bill should rest on it.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Protocol

import gpiod
import msgspec
from gpiod.line import Bias, Clock, Direction, Edge

from hal.slot import DeviceSlot, DriverSettings
from hal.types import BoardError, DeviceGarbled, DeviceMissing, EvseFacts, MeterSample

WATT_SECONDS_PER_KWH = 3_600_000.0

FALL_AMPS, FALL_S = 1.0, 2.0
"""After the contactor opened, the current has to read below this within that time, or it is called welded."""

BEYOND_RATING = 1.5
"""Pulses that come faster than this much over the EVSE's rating are interference."""

EVENTS_KEPT = 256
"""The kernel's buffer: more than a meter sends between two readings."""

CONSUMER = "chargerd meter"


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.meter] with driver = "meter_pulse": `line`, its number on the GPIO `chip`; `pulses_per_kwh` of the meter.

    `bias`: the chip's own resistor; `debounce_ms`: shorter pulses are noise (S0 pulses last 30 ms or more).
    """

    chip: str
    line: Annotated[int, msgspec.Meta(ge=0, le=1023)]
    pulses_per_kwh: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]
    bias: Literal["pull_up", "pull_down", "as_is"] = "pull_up"
    debounce_ms: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5

    def check(self, evse: EvseFacts) -> None:
        """One phase, and pulses that come fast enough to see the current end."""
        if evse.phases != 1:
            raise BoardError(
                "driver",
                "pulses tell no current per phase, this EVSE has three",
                "fit a meter that measures each phase (meter_modbus)",
            )
        least = WATT_SECONDS_PER_KWH / (FALL_AMPS * FALL_S * evse.nominal_volts)
        if self.pulses_per_kwh < least:
            raise BoardError(
                "pulses_per_kwh",
                f"found {self.pulses_per_kwh:g}: so few pulses do not show within {FALL_S:g} s that the current ended",
                f"set the meter to {least:.0f} or more, or fit another",
            )

    def claims(self) -> tuple[str, ...]:
        """The line is this device's alone."""
        return (f"gpio {self.chip} {self.line}",)


class Pulse(msgspec.Struct, frozen=True):
    """One pulse. `number`: of this line since it was requested, so that lost events are counted all the same."""

    number: int
    at_mono: float


class Pulses(Protocol):
    """Where pulses come from; every call may raise OSError."""

    def take(self) -> list[Pulse]:
        """The pulses since the last call, without waiting."""
        ...

    def close(self) -> None:
        """Give the line back."""
        ...


class GpiodPulses:
    """Falling edges of one line: an S0 output closes to ground."""

    def __init__(
        self, settings: Settings, request_lines: Callable[..., gpiod.LineRequest] = gpiod.request_lines
    ) -> None:
        biases = {"pull_up": Bias.PULL_UP, "pull_down": Bias.PULL_DOWN, "as_is": Bias.AS_IS}
        edges = gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.RISING if settings.bias == "pull_down" else Edge.FALLING,
            bias=biases[settings.bias],
            debounce_period=timedelta(milliseconds=settings.debounce_ms),
            event_clock=Clock.MONOTONIC,
        )
        self._request = request_lines(
            settings.chip, consumer=CONSUMER, config={settings.line: edges}, event_buffer_size=EVENTS_KEPT
        )

    def take(self) -> list[Pulse]:
        """What the kernel kept."""
        if not self._request.wait_edge_events(0):
            return []
        return [Pulse(event.line_seqno, event.timestamp_ns / 1e9) for event in self._request.read_edge_events()]

    def close(self) -> None:
        """Release the line."""
        self._request.release()


class PulseMeter:
    """The meter of one EVSE."""

    def __init__(
        self, settings: Settings, slot: DeviceSlot, open_pulses: Callable[[Settings], Pulses] = GpiodPulses
    ) -> None:
        if not Path(settings.chip).exists():
            raise DeviceMissing(
                slot.device, f"{settings.chip} is not there; see `gpiodetect`, and mend 'chip' in the board file"
            )
        self._settings = settings
        self._slot = slot
        self._open_pulses = open_pulses
        self._pulses: Pulses | None = None
        self._count = 0
        self._last: Pulse | None = None
        self._spacing_s = 0.0
        self._open()

    def read(self) -> MeterSample:
        """What has been counted; the current is that of the last two pulses, and less the longer none has come."""
        try:
            for pulse in self._open().take():
                self._on_pulse(pulse)
        except OSError as error:
            self.close()
            raise DeviceMissing(self._slot.device, f"the line is gone ({error}); is its chip still there?") from error
        now_mono = self._slot.monotonic()
        volts = self._slot.evse.nominal_volts
        amps = self._watts(now_mono) / volts
        most = self._slot.evse.max_amps * BEYOND_RATING
        if amps > most:
            raise DeviceGarbled(
                self._slot.device, f"pulses come as for {amps:.0f} A, possible are 0 to {most:g} A: shield the wire"
            )
        return MeterSample(
            at_mono=now_mono,
            energy_wh=self._count * 1000.0 / self._settings.pulses_per_kwh,
            power_w=amps * volts,
            amps=(amps,),
            volts=(volts,),
        )

    def close(self) -> None:
        """Give the line back; the count stays."""
        pulses, self._pulses, self._last = self._pulses, None, None
        if pulses is not None:
            pulses.close()

    def _open(self) -> Pulses:
        if self._pulses is None:
            try:
                self._pulses = self._open_pulses(self._settings)
            except OSError as error:
                where = f"line {self._settings.line} of {self._settings.chip}"
                why = f"{where} cannot be had ({error}); see `gpioinfo` for who has it"
                raise DeviceMissing(self._slot.device, why) from error
        return self._pulses

    def _on_pulse(self, pulse: Pulse) -> None:
        before, self._last = self._last, pulse
        if before is None:
            self._count += 1
            self._spacing_s = 0.0
            return
        new = pulse.number - before.number
        self._count += new
        self._spacing_s = (pulse.at_mono - before.at_mono) / new

    def _watts(self, now_mono: float) -> float:
        if self._last is None or self._spacing_s <= 0:
            return 0.0
        apart_s = max(self._spacing_s, now_mono - self._last.at_mono)
        return WATT_SECONDS_PER_KWH / self._settings.pulses_per_kwh / apart_s
