"""What the meter says, and whether it can be believed.

A sample counts while it is fresh, sane, moving and in itself consistent; otherwise there is none, and energy that
nobody measures does not flow. Why there is none is told apart, for the cures differ: silent, frozen, implausible,
swapped.
"""

import math

from chargerd.evse.situation import meter_of, most_amps
from hal.types import MeterSample

SILENT_S = 2.9
"""A dead meter is a fault within 3 s of its last good sample."""

FIRST_SAMPLE_S = 5.0
"""A meter that has not said anything yet may still be looked for on its bus."""

FROZEN_S = 60.0
"""At 6 A and 230 V a register moves by 23 Wh in this time, and no grid keeps its voltage to the last digit."""

OPEN_AMPS = 1.0
"""Above this current an open contactor is not open; below it a contactor opens without wear."""

OPEN_CURRENT_S = 2.0
"""The meter's averaging is over 2 s after opening."""

IMPLAUSIBLE_S = 10.0
IMPLAUSIBLE_SHARE = 0.30
IMPLAUSIBLE_WATTS = 200.0
"""Power may differ from the sum of volts times amps by the power factor of a small load and the time between two
registers, not by more than this for so long."""

BACKWARDS_WH = 1.0
"""A register that rounds may fall by its last digit."""


class MeterWatch:
    """Follows one meter.

    `sample`: the latest one that can be believed, None: there is none. `silent`: nothing valid came for so long that it
    is a fault. `frozen`: it shows current, and nothing in it moves. `implausible`: what contradicts what, "" nothing.
    `swapped`: what tells that another meter answers, "" none does.
    """

    def __init__(self) -> None:
        self.sample: MeterSample | None = None
        self.silent = False
        self.frozen = False
        self.implausible = ""
        self.swapped = ""
        self._last: MeterSample | None = None
        self._good_mono: float | None = None
        self._moved_mono = -math.inf
        self._odd_since_mono: float | None = None
        self._register_wh = -math.inf

    def update(
        self, reading: MeterSample | None, swapped: str, connected: bool, open_since_mono: float, now_mono: float
    ) -> None:
        """Take the latest reading. `swapped`: see Readings; `connected`: a vehicle is there; `open_since_mono`: since
        when no current may flow (inf: it may)."""
        self.swapped = swapped
        if self._good_mono is None:
            self._good_mono = now_mono + FIRST_SAMPLE_S - SILENT_S
        # Another meter counts from elsewhere: nothing that is left of the first one is worth anything now.
        fresh = None if swapped else meter_of(reading, now_mono)
        if fresh is not None and (self._last is None or fresh.at_mono > self._last.at_mono):
            self._good_mono = fresh.at_mono
            self.frozen = self._is_frozen(fresh, open_since_mono)
            fallen = self._fallen_register(fresh, connected)
            self.implausible = self._odd_power(fresh) or fallen
            self._last = fresh
        self.silent = fresh is None and not swapped and now_mono - self._good_mono >= SILENT_S
        self.sample = None if self.frozen or self.implausible else fresh

    def resume(self, now_mono: float) -> None:
        """The loop stood still until now, and nobody listened: the meter gets its time to say something again."""
        self._good_mono = now_mono

    def _is_frozen(self, sample: MeterSample, open_since_mono: float) -> bool:
        """Whether it shows current and has not moved: for a minute, or since the contactor opened."""
        if self._last is None or _values(sample) != _values(self._last):
            self._moved_mono = sample.at_mono
            return False
        opened_meanwhile = self._moved_mono < open_since_mono <= sample.at_mono - OPEN_CURRENT_S
        return most_amps(sample) > OPEN_AMPS and (
            opened_meanwhile or sample.at_mono - self._moved_mono >= FROZEN_S or self.frozen
        )

    def _odd_power(self, sample: MeterSample) -> str:
        """What is wrong between power, volts and amps, once it has lasted."""
        if len(sample.volts) != len(sample.amps):
            return ""  # no voltage for each current: nothing to compare with
        watts = sum(abs(volts * amps) for volts, amps in zip(sample.volts, sample.amps, strict=True))
        if abs(abs(sample.power_w) - watts) <= IMPLAUSIBLE_SHARE * watts + IMPLAUSIBLE_WATTS:
            self._odd_since_mono = None
            return ""
        if self._odd_since_mono is None:
            self._odd_since_mono = sample.at_mono
        if sample.at_mono - self._odd_since_mono < IMPLAUSIBLE_S:
            return ""
        return f"{sample.power_w:.0f} W beside {watts:.0f} VA"

    def _fallen_register(self, sample: MeterSample, connected: bool) -> str:
        """What the register did wrong. While a vehicle is there it counts from where it was; after that, anew."""
        highest_wh = self._register_wh
        fell = sample.energy_wh < highest_wh - BACKWARDS_WH
        self._register_wh = max(highest_wh, sample.energy_wh) if connected else sample.energy_wh
        return f"register fell from {highest_wh:.0f} to {sample.energy_wh:.0f} Wh" if fell else ""


def _values(sample: MeterSample) -> tuple[object, ...]:
    return sample.energy_wh, sample.power_w, sample.amps, sample.volts, sample.frequency_hz
