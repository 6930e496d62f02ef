"""A contactor on a GPIO line, with its auxiliary contact and the heartbeat of the board's watchdog circuit.

Linux that hangs leaves its lines as they are, so this driver alone has no dead-man. The board must have one: a circuit
that drops the coil by itself when the heartbeat line stops changing. The heartbeat changes with every renewed hold and
with nothing else. That the driver opens when a lease has lapsed and somebody calls it is tidiness, no dead-man.
"""

import math

from hal.drivers.gpio_lines import FeedbackTable, GpioSettings, Lines, OutputTable
from hal.slot import DeviceSlot
from hal.types import BoardError, EvseFacts, HalError, RelayDeadman, RelayReading

LONGEST_HOLD_S = 5.0


class Settings(GpioSettings, frozen=True, kw_only=True):
    """[evse.relays] with driver = "relays_gpio". `heartbeat` None: the circuit watches something else."""

    coil: OutputTable
    heartbeat: OutputTable | None = None
    feedback: FeedbackTable | None = None

    def check(self, evse: EvseFacts) -> None:
        """The board has a watchdog circuit, and a feedback contact where it says so."""
        super().check(evse)
        if evse.relay_deadman is not RelayDeadman.HARDWARE:
            remedy = 'add the circuit and say relay_deadman = "hardware"'
            raise BoardError("coil", "a GPIO line stays as it is when the software hangs", remedy)
        if evse.has_feedback != (self.feedback is not None):
            problem = "no line for the feedback contact" if evse.has_feedback else "the EVSE says feedback = false"
            raise BoardError("feedback", problem, "give the line, or set feedback = false in [[evse]]; not both")


class GpioRelays:
    """The contactor of one EVSE."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._slot = slot
        self._beat = False
        self._until_mono = -math.inf
        with Lines(slot) as lines:
            self._coil = lines.output(settings.coil)
            self._heartbeat = lines.output(settings.heartbeat) if settings.heartbeat else None
            self._feedback = lines.feedback(settings.feedback)
            self._lines = lines.keep()

    def hold(self, closed: bool, for_s: float) -> None:
        """Close for at most `for_s` seconds, or open now whatever `for_s` says. DeviceMissing when the line is gone."""
        if closed and not 0 <= for_s <= LONGEST_HOLD_S:  # opening is never refused
            raise HalError(
                self._slot.device, f"refused to hold for {for_s} s: this board holds 0 to {LONGEST_HOLD_S:g} s"
            )
        energised = closed and for_s > 0
        self._until_mono = self._slot.monotonic() + for_s if energised else -math.inf
        self._coil.set(energised)
        if energised and self._heartbeat is not None:
            self._beat = not self._beat
            self._heartbeat.set(self._beat)

    def read(self) -> RelayReading:
        """The feedback contact; None where the board has none."""
        if self._slot.monotonic() >= self._until_mono:
            self._coil.set(False)
        closed = self._feedback.is_closed() if self._feedback else None
        return RelayReading(closed, self._slot.monotonic())

    def close(self) -> None:
        """The contactor opens and the lines are given back."""
        self._lines.close()
