"""One channel of a kernel PWM through sysfs: exported when needed, set up in an order that the kernel takes.

The kernel refuses a duty above the period at every single write, and makes an exported channel writable for us only a
moment later, when udev has had its turn.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

from hal.drivers.sysfs import find_device, number, read_text, write_text
from hal.types import DeviceMissing, HalError

PERIOD_NS = 1_000_000
"""1 kHz (IEC 61851-1 table A.2: 980 to 1020 Hz)."""

EXPORT_BOUND_S = 1.0
EXPORT_STEP_S = 0.01

Write = Callable[[str, Path, str], None]


class PwmChannel:
    """A channel that is high for a fraction of each millisecond. `chip`: the PWM device, such as `1f00098000.pwm`.

    `inverted`: the stage behind it turns high into low; the fraction is always that of the stage's output.
    """

    def __init__(
        self, device: str, root: Path, chip: str, channel: int, *, inverted: bool, write: Write = write_text
    ) -> None:
        self._device = device
        self._root = root
        self._chip = chip
        self._channel = channel
        self._inverted = inverted
        self._write_text = write
        self._folder: Path | None = None

    def open(self, fraction: float) -> None:
        """Export the channel and start it with `fraction`; waits EXPORT_BOUND_S at most. HalError."""
        give_up_mono = time.monotonic() + EXPORT_BOUND_S
        while True:
            try:
                self.set(fraction)
            except DeviceMissing:
                if time.monotonic() >= give_up_mono:
                    raise
                time.sleep(EXPORT_STEP_S)
            else:
                return

    def set(self, fraction: float) -> None:
        """High for `fraction` (0 to 1) of the period from now on, rounded down to whole nanoseconds.

        A channel that was lost is set up again, as far as that takes no waiting. HalError.
        """
        high_ns = math.floor(fraction * PERIOD_NS)
        duty_ns = PERIOD_NS - high_ns if self._inverted else high_ns
        try:
            if self._folder is None:
                self._folder = self._set_up(duty_ns)
            if self._read("duty_cycle") != duty_ns:  # also finds a channel that is gone, or that somebody else has set
                self._write("duty_cycle", duty_ns)
        except HalError:
            self._folder = None
            raise

    def _set_up(self, duty_ns: int) -> Path:
        chip = find_device(
            self._device, self._root / "class/pwm", "pwmchip*", self._chip, "enable it in the device tree (an overlay)"
        )
        folder = chip / f"pwm{self._channel}"
        if not folder.is_dir():
            self._write_text(self._device, chip / "export", str(self._channel))
        self._folder = folder
        self._set_polarity()
        # At every single write the duty has to be at most the period.
        if self._read("duty_cycle") <= PERIOD_NS:
            self._write("period", PERIOD_NS)
            self._write("duty_cycle", duty_ns)
        else:
            self._write("duty_cycle", duty_ns)
            self._write("period", PERIOD_NS)
        self._write("enable", 1)
        return folder

    def _set_polarity(self) -> None:
        """Normal: an inverting stage is reckoned with here, which works on every hardware."""
        assert self._folder is not None, "can't happen because the caller has found the folder"
        if read_text(self._device, self._folder / "polarity") == "normal":
            return
        self._write("enable", 0)  # it cannot be changed while the channel runs
        self._write_text(self._device, self._folder / "polarity", "normal")

    def _read(self, name: str) -> float:
        assert self._folder is not None, "can't happen because the caller has found the folder"
        path = self._folder / name
        return number(self._device, path, read_text(self._device, path).encode())

    def _write(self, name: str, value: int) -> None:
        assert self._folder is not None, "can't happen because the caller has found the folder"
        self._write_text(self._device, self._folder / name, str(value))
