"""A controller of the plant behind a pseudo-terminal: it lives in a thread of its own, is spoken to, and can fail.

What it does is the controller's (`Controller`); here is what can happen to any of them on a serial port: the adapter is
pulled out, it stops, starts anew, sends half of what it says, or has it damaged on the way.
"""

import time
from pathlib import Path
from typing import Protocol

from hal.sim.faults import Fault
from hal.sim.plant import PlantEvse
from hal.sim.pty_port import PtyPort

PERIOD_S = 0.025
WATCHDOG_S = 1.0
"""How long the coil stays energised when the controller stops: the hardware watchdog of any such board."""


class Controller(Protocol):
    """The program of a controller. Whoever calls holds the plant's lock and has caught up."""

    def power_on(self, now_mono: float) -> None:
        """Begin from nothing."""
        ...

    def tick(self, now_mono: float) -> bool:
        """Look at the plant and drive it; False: too busy to listen now."""
        ...

    def hear(self, data: bytes, now_mono: float) -> None:
        """Something was said to it."""
        ...


class SerialPeer:
    """Runs a controller at `path` (a link to the pseudo-terminal) until it is closed."""

    def __init__(self, evse: PlantEvse, path: Path, controller: Controller) -> None:
        self._evse = evse
        self._controller = controller
        self._port = PtyPort(evse, "plant controller", path, Fault.CONTROLLER_UNPLUGGED)
        with evse.plant.lock:
            controller.power_on(evse.catch_up())
        self._port.start(self._run, "controller")

    def close(self) -> None:
        """Stop the thread and take the port away."""
        self._port.close()

    def say(self, message: bytes) -> None:
        """Send a message, as far as the faults let it through."""
        faults = self._evse.faults
        if Fault.CONTROLLER_HALF_LINES in faults:
            message = message[: len(message) // 2]
        if Fault.CONTROLLER_BAD_CRC in faults:
            message = _damaged(message)
        self._port.write(message)

    def _run(self) -> None:
        listening, stopped = True, False
        due_mono = time.monotonic()
        while True:
            heard = self._port.wait(max(0.0, due_mono - time.monotonic()), listening)
            if heard is None:
                return
            with self._evse.plant.lock:
                now_mono = self._evse.catch_up()
                was_stopped, stopped = stopped, Fault.CONTROLLER_STOPS in self._evse.faults
                if stopped:
                    listening = False
                elif self._evse.faults.pop(Fault.CONTROLLER_RESET, None) is not None or was_stopped:
                    self._controller.power_on(now_mono)
                else:
                    listening = self._controller.tick(now_mono)
                    if heard and listening:
                        self._controller.hear(self._port.read(), now_mono)
            if time.monotonic() >= due_mono:
                due_mono = time.monotonic() + PERIOD_S


def _damaged(message: bytes) -> bytes:
    """One bit flipped in the middle, as a line without termination does it."""
    middle = len(message) // 2
    return message[:middle] + bytes((message[middle] ^ 0x01,)) + message[middle + 1 :]
