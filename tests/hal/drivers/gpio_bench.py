"""What hangs on the GPIO lines of a board under test: the plant's contactor, lock, monitor, ..., line by line.

`Bench` knows levels, high or low, and nothing of drivers. In front of it stands a fake libgpiod (fake_gpiod.py),
gpiozero's own mock pins (here), or the kernel's simulated chip in a virtual machine (tests/vm).
"""

import dataclasses
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Literal

from gpiozero.pins.mock import MockFactory, MockPin

from hal.drivers.gpio_lines import FeedbackTable, InputTable, OutputTable
from hal.drivers.gpiozero_lines import ZeroPins
from hal.drivers.lamps import LampTable
from hal.drivers.limit_gpio import ContactTable
from hal.sim.faults import Fault
from hal.sim.plant import PHASES_S
from hal.slot import DeviceSlot
from tests.hal.plants import World

WATCHDOG_S = 0.4
"""How long the board's watchdog circuit keeps the coil after an edge of the heartbeat."""

Pull = Literal["up", "down", "none"]


class Pin(IntEnum):
    """The lines, by the names the fake chip gives them; the numbers are lines of the chip and pins of the Pi."""

    COIL = 2
    HEARTBEAT = 3
    FEEDBACK = 4  # closes to the supply with the contactor
    MIRROR = 5  # opens with the contactor
    PHASES = 6
    PHASES_FEEDBACK = 7
    LOCK = 8
    UNLOCK = 9
    LOCKED = 10
    TEST = 11
    TRIP_AC = 12  # the monitor holds it low while nothing has tripped
    TRIP_DC = 13
    EMERGENCY_STOP = 14  # normally closed, to ground
    ENCLOSURE = 15
    POWER_FAIL = 16
    OUTPUT_VOLTAGE = 17
    CABLE_CUT = 18
    BUTTON = 19
    TEN_AMPS = 20  # contacts of the grid operator's box, to ground
    SIX_AMPS = 21
    RED = 22
    GREEN = 23
    BLUE = 24
    BUZZER = 25


INPUTS = {
    Pin.EMERGENCY_STOP: Fault.EMERGENCY_STOP,
    Pin.ENCLOSURE: Fault.OPEN_ENCLOSURE,
    Pin.POWER_FAIL: Fault.POWER_FAIL,
    Pin.OUTPUT_VOLTAGE: Fault.OUTPUT_VOLTAGE,
    Pin.CABLE_CUT: Fault.CUT_CABLE,
    Pin.BUTTON: Fault.PRESS_BUTTON,
}


class Bench:
    """The wires. `cut`: lines whose wire is broken; `high`: the outputs that are driven high now.

    `edges`: how often each output has changed. `watchdog`: whether the board has that circuit.
    """

    def __init__(self, world: World, watchdog: bool = True) -> None:
        self.world = world
        self.cut: set[int] = set()
        self.high: set[int] = set()
        self.edges: dict[int, int] = {}
        self._watchdog = watchdog
        world.evse.drive_phases(1, world.evse.catch_up())  # nothing holds that contactor
        world.wait(2 * PHASES_S)

    def drive(self, line: int, high: bool) -> None:
        """An output has this level from now on."""
        if high == (line in self.high):
            return
        self.edges[line] = self.edges.get(line, 0) + 1
        (self.high.add if high else self.high.discard)(line)
        evse = self.world.evse
        with self.world.plant.lock:
            now_mono = evse.catch_up()
            if line in {Pin.COIL, Pin.HEARTBEAT}:
                self._on_coil(line, now_mono)
            elif line == Pin.PHASES:
                evse.drive_phases(3 if high else 1, now_mono)
            elif line in {Pin.LOCK, Pin.UNLOCK} and high:
                evse.drive_lock(line == Pin.LOCK, now_mono)

    def _on_coil(self, line: int, now_mono: float) -> None:
        if Pin.COIL not in self.high:
            self.world.evse.hold_coil(False, now_mono, 0.0)
        elif not self._watchdog:
            self.world.evse.hold_coil(True, now_mono, 1e9)
        elif line == Pin.HEARTBEAT:
            self.world.evse.hold_coil(True, now_mono, WATCHDOG_S)

    def level(self, line: int, pull: Pull = "none") -> bool:
        """Whether an input is high now; a broken wire is where the resistor pulls it."""
        if line in self.cut:
            return pull == "up"
        evse = self.world.evse
        with self.world.plant.lock:
            evse.catch_up()
            faults = evse.faults
            match line:
                case Pin.FEEDBACK:
                    return evse.contacts_closed
                case Pin.MIRROR:
                    return not evse.contacts_closed
                case Pin.PHASES_FEEDBACK:
                    return evse.phases == 3
                case Pin.LOCKED:
                    return evse.locked
                case Pin.TRIP_AC | Pin.TRIP_DC:
                    testing = Pin.TEST in self.high and Fault.RCD_TEST_FAILS not in faults
                    return testing or (Fault.TRIP_RCD if line == Pin.TRIP_AC else Fault.TRIP_RCD_DC) in faults
                case Pin.TEN_AMPS | Pin.SIX_AMPS:
                    amps = 10.0 if line == Pin.TEN_AMPS else 6.0
                    return faults.get(Fault.EXTERNAL_LIMIT, 80.0) > amps
        return INPUTS[Pin(line)] in faults


class WiredPin(MockPin):  # type: ignore[misc]  # gpiozero has no types
    """gpiozero's mock pin with the bench at its end."""

    @property
    def line(self) -> int:
        return int(self.info.name.removeprefix("GPIO"))

    def _get_state(self) -> bool:
        if self._function == "output":
            return bool(self._state)
        return bool(self.factory.bench.level(self.line, "none" if self._pull == "floating" else self._pull))

    def _change_state(self, value: bool) -> bool:
        if self._function == "output":
            self.factory.bench.drive(self.line, value)
        return bool(super()._change_state(value))

    def pulse(self) -> None:
        """High for a moment, which the bench does not know of."""
        self._state = False
        self.drive_high()
        self.drive_low()


def zero_pins(bench: Bench) -> ZeroPins:
    """gpiozero's mock factory in front of the bench."""
    factory = MockFactory(pin_class=WiredPin)
    factory.bench = bench
    return ZeroPins(lambda: factory)


@dataclasses.dataclass(frozen=True)
class Wiring:
    """A way to the bench: how a board file names its lines (`at`), and the shared object a slot then has."""

    bench: Bench
    at: Callable[[Pin], dict[str, Any]]
    shared: dict[str, object]

    def slot(self, role: str) -> DeviceSlot:
        return dataclasses.replace(self.bench.world.slot(role), shared=self.shared)

    def output(self, pin: Pin, **keys: Any) -> OutputTable:
        return OutputTable(**self.at(pin), **keys)

    def input(self, pin: Pin, **keys: Any) -> InputTable:
        return InputTable(**self.at(pin), **keys)

    def feedback(self, pin: Pin, **keys: Any) -> FeedbackTable:
        return FeedbackTable(**self.at(pin), **keys)

    def contact(self, pin: Pin, amps: float) -> ContactTable:
        return ContactTable(**self.at(pin), amps=amps, active="low", pull="up")

    def lamp(self, pin: Pin, **keys: Any) -> LampTable:
        return LampTable(**self.at(pin), **keys)


def gpiozero_wiring(bench: Bench) -> Wiring:
    """Pins of a Pi."""
    return Wiring(bench, lambda pin: {"pi": int(pin)}, {"gpiozero": zero_pins(bench)})
