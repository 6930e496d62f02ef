"""Plain inputs on GPIO lines: emergency stop, enclosure, power fail, voltage behind the contactor, cable loop, button.

A line that protects somebody is wired so that a broken wire looks like the danger: a normally closed contact, and a
resistor that pulls the line to the active level when the contact opens or the wire breaks. `check` holds the emergency
stop and the cable loop to that. What is pressed for a moment between two looks is not missed.
"""

import msgspec

from hal.drivers.gpio_lines import GpioSettings, InputTable, Lines
from hal.slot import DeviceSlot
from hal.types import BoardError, EvseFacts, InputName, InputsReading

FAIL_SAFE = (InputName.EMERGENCY_STOP, InputName.CABLE_CUT)
"""A broken wire of these reads as active."""

SHORT = (InputName.EMERGENCY_STOP, InputName.BUTTON)
"""Pressed by people: seen even when it was for less than a tick."""


class Settings(GpioSettings, frozen=True, kw_only=True):
    """[evse.inputs] with driver = "inputs_gpio": a line for each input that is fitted, active when it is so."""

    emergency_stop: InputTable | None = None
    enclosure: InputTable | None = None
    power_fail: InputTable | None = None
    output_voltage: InputTable | None = None
    cable_cut: InputTable | None = None
    button: InputTable | None = None

    def tables(self) -> dict[InputName, InputTable]:
        """Those that are fitted, in the order of InputName."""
        tables = {name: getattr(self, name.value) for name in InputName}
        return {name: table for name, table in tables.items() if table is not None}

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """The inputs that are fitted."""
        return msgspec.structs.replace(evse, inputs=tuple(self.tables()))

    def check(self, evse: EvseFacts) -> None:
        """At least one line, and none whose broken wire would look safe."""
        super().check(evse)
        tables = self.tables()
        if not tables:
            raise BoardError("driver", "no line at all", f"give at least one of: {', '.join(InputName)}")
        for name in FAIL_SAFE:
            if name in tables and tables[name].broken_is_active is not True:
                problem = "a broken wire would not be noticed"
                remedy = 'wire a normally closed contact to ground: pull = "up", active = "high"'
                raise BoardError(name, problem, remedy)


class GpioInputs:
    """The input lines of one EVSE."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._slot = slot
        with Lines(slot) as lines:
            self._inputs = {name: lines.input(table, pulses=name in SHORT) for name, table in settings.tables().items()}
            self._lines = lines.keep()

    def read(self) -> InputsReading:
        """Those that are asserted. DeviceMissing when one line is gone: what is not known is not at rest."""
        asserted = tuple(name for name, line in self._inputs.items() if line.is_active())
        return InputsReading(asserted, self._slot.monotonic())

    def close(self) -> None:
        """The lines are given back."""
        self._lines.close()
