"""Whether a meter's sample can be true, alone and after the one before. Pure; what cannot is DeviceGarbled.

Zero volts are a true reading (a phase is lost, or all of them while the meter lives on): the charging core judges
them. A frame of nothing but zeros is none. Energy that runs back or leaps is refused, because one wrong number would
be billed; when the meter insists it is told as it is, and the charging core ends the charge over it.
"""

import math
from dataclasses import dataclass

import msgspec

from hal.types import DeviceGarbled, EvseFacts, MeterSample

HIGHEST_VOLTS = 300.0
LOWEST_HZ, HIGHEST_HZ = 45.0, 65.0
BEYOND_RANGE = 1.2
"""A meter still shows a little more than its rating."""

BEYOND_OUTLET = 5.0
"""So many times what the outlet is rated for: its fuse allows less. Meters behind current transformers measure more."""

LOST_PHASE = 0.5
"""Below this part of the nominal voltage a phase is lost, and the frequency measured on it may read 0."""

ENERGY_SLACK_WH = 20.0
"""Registers step by up to 10 Wh."""

FLOAT_STEP = 2.0**-22
"""Two steps of a 32-bit float register."""

FALL_CONFIRMED_S = 0.0
"""A register that ran back is told with the next reading that agrees: the meter restarted, or it rolled over. The
charging core sees it fall and stops."""

LEAP_CONFIRMED_S = 30.0
"""A register that leapt ahead is told only after the meter was out of use for so long that no charge goes on."""


@dataclass(frozen=True, slots=True)
class Step:
    """A register that was refused: what it read, since when it has agreed with itself, and how long it has to."""

    before: MeterSample
    since_mono: float
    needed_s: float


class Judge:
    """Judges the samples of one meter, which measures up to `max_amps` on each of `phases`."""

    def __init__(self, device: str, evse: EvseFacts, max_amps: float, phases: int) -> None:
        self._device = device
        self._highest_amps = min(max_amps * BEYOND_RANGE, evse.max_amps * BEYOND_OUTLET)
        self._highest_w = self._highest_amps * HIGHEST_VOLTS * phases
        self._lost_volts = evse.nominal_volts * LOST_PHASE
        self._before: MeterSample | None = None
        self._step: Step | None = None

    def check(self, sample: MeterSample) -> MeterSample:
        """The sample, without a frequency that was measured on a lost phase; DeviceGarbled, naming value and bounds."""
        self._within("energy", sample.energy_wh, 0.0, math.inf, "Wh")
        self._within("power", sample.power_w, -self._highest_w, self._highest_w, "W")
        for phase, volts in enumerate(sample.volts, start=1):
            self._within(f"voltage of L{phase}", volts, 0.0, HIGHEST_VOLTS, "V")
        for phase, amps in enumerate(sample.amps, start=1):
            self._within(f"current of L{phase}", amps, -self._highest_amps, self._highest_amps, "A")
        if not any((*sample.volts, *sample.amps, sample.energy_wh, sample.frequency_hz)):
            raise DeviceGarbled(self._device, "every value reads 0: a meter that measures nothing")
        sample = self._with_frequency(sample)
        if self._before is not None:
            self._check_energy(sample, self._before)
        self._before, self._step = sample, None
        return sample

    def _with_frequency(self, sample: MeterSample) -> MeterSample:
        if sample.frequency_hz is None:
            return sample
        if sample.frequency_hz == 0 and min(sample.volts) < self._lost_volts:
            return msgspec.structs.replace(sample, frequency_hz=None)
        self._within("frequency", sample.frequency_hz, LOWEST_HZ, HIGHEST_HZ, "Hz")
        return sample

    def _check_energy(self, sample: MeterSample, before: MeterSample) -> None:
        fault = self._energy_fault(sample, before)
        if fault is None:
            return
        step = self._step
        if step is None or self._energy_fault(sample, step.before) is not None:
            needed_s = FALL_CONFIRMED_S if sample.energy_wh < before.energy_wh else LEAP_CONFIRMED_S
            self._step = Step(sample, sample.at_mono, needed_s)
        elif sample.at_mono - step.since_mono >= step.needed_s:
            return
        else:
            self._step = Step(sample, step.since_mono, step.needed_s)
        raise DeviceGarbled(self._device, fault)

    def _energy_fault(self, sample: MeterSample, before: MeterSample) -> str | None:
        rise_wh = sample.energy_wh - before.energy_wh
        step_wh = sample.energy_wh * FLOAT_STEP
        hours = max(0.0, sample.at_mono - before.at_mono) / 3600
        change = f"from {before.energy_wh:.1f} to {sample.energy_wh:.1f} Wh"
        if rise_wh < -step_wh:
            return f"energy ran back {change}"
        if rise_wh > self._highest_w * hours + ENERGY_SLACK_WH + step_wh:
            return f"energy leapt {change}"
        return None

    def _within(self, what: str, value: float, low: float, high: float, unit: str) -> None:
        if not low <= value <= high or math.isinf(value):  # NaN fails every comparison
            raise DeviceGarbled(self._device, f"{what} reads {value:g} {unit}, possible are {low:g} to {high:g} {unit}")
