"""The contactor of L2 and L3 on a GPIO line.

It must be wired behind or together with the main contactor, so that it makes nothing live by itself: it has no lease.
"""

from hal.drivers.gpio_lines import FeedbackTable, GpioSettings, Lines, OutputTable
from hal.slot import DeviceSlot
from hal.types import HalError, PhasesReading


class Settings(GpioSettings, frozen=True, kw_only=True):
    """[evse.phase_switch] with driver = "phase_switch_gpio". `coil`: active connects L2 and L3."""

    coil: OutputTable
    feedback: FeedbackTable | None = None


class GpioPhaseSwitch:
    """The phase contactor of one EVSE; one phase until it is told otherwise."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._slot = slot
        with Lines(slot) as lines:
            self._coil = lines.output(settings.coil)
            self._feedback = lines.feedback(settings.feedback)
            self._lines = lines.keep()

    def set(self, phases: int) -> None:
        """Connect 1 or 3 phases; HalError for another number, DeviceMissing when the line is gone."""
        if phases not in {1, 3}:
            raise HalError(self._slot.device, f"refused to connect {phases} phases: 1 or 3")
        self._coil.set(phases == 3)

    def read(self) -> PhasesReading:
        """The feedback contact; None where the board has none."""
        phases = None if self._feedback is None else 3 if self._feedback.is_closed() else 1
        return PhasesReading(phases, self._slot.monotonic())

    def close(self) -> None:
        """One phase, and the lines are given back."""
        self._lines.close()
