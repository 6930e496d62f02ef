"""A controller of the plant behind a pseudo-terminal: it lives in a thread of its own, is spoken to, and can fail.

What it does is the controller's (`Controller`); here is what can happen to any of them on a serial port: the adapter is
pulled out, it stops, starts anew, sends half of what it says, or has it damaged on the way.
"""

import contextlib
import os
import select
import threading
import time
import tty
from pathlib import Path
from typing import Protocol

from hal.sim.faults import Fault
from hal.sim.plant import PlantEvse
from hal.types import DeviceMissing

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
        self._path = path
        self._controller = controller
        self._pty: tuple[int, int] | None = None
        self._plug_in()
        self._wake_read, self._wake_write = os.pipe()
        with evse.plant.lock:
            controller.power_on(evse.catch_up())
        self._thread = threading.Thread(target=self._run, name=f"controller-{evse.evse_id}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and take the port away."""
        os.close(self._wake_write)
        self._thread.join()
        self._pull_out()
        os.close(self._wake_read)

    def say(self, message: bytes) -> None:
        """Send a message, as far as the faults let it through."""
        faults = self._evse.faults
        if Fault.CONTROLLER_HALF_LINES in faults:
            message = message[: len(message) // 2]
        if Fault.CONTROLLER_BAD_CRC in faults:
            message = _damaged(message)
        if self._pty is not None:
            with contextlib.suppress(BlockingIOError):  # nobody reads: a wire would have lost the bytes too
                os.write(self._pty[0], message)

    # ---- the port and the thread ----

    def _plug_in(self) -> None:
        """A pseudo-terminal appears; its slave side stays open here, or the master would fail between clients."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._pty = (master, slave)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._path.symlink_to(os.ttyname(slave))
        except OSError as error:
            self._pull_out()
            raise DeviceMissing(
                f"plant controller {self._evse.evse_id}", f"cannot make {self._path} ({error.strerror})"
            ) from error

    def _pull_out(self) -> None:
        if self._pty is None:
            return
        for side in self._pty:
            os.close(side)
        self._pty = None
        if self._path.is_symlink():
            self._path.unlink()

    def _obey_plug(self) -> None:
        unplugged = Fault.CONTROLLER_UNPLUGGED in self._evse.faults
        if unplugged and self._pty is not None:
            self._pull_out()
        elif not unplugged and self._pty is None:
            with contextlib.suppress(DeviceMissing):  # the run directory is gone: the port stays away, tried again soon
                self._plug_in()

    def _run(self) -> None:
        listening, stopped = True, False
        due_mono = time.monotonic()
        while True:
            self._obey_plug()
            master = [self._pty[0]] if self._pty is not None and listening else []
            wait_s = max(0.0, due_mono - time.monotonic())
            ready, _, _ = select.select([*master, self._wake_read], [], [], wait_s)
            if self._wake_read in ready:
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
                    if ready and listening:
                        self._controller.hear(_read(master[0]), now_mono)
            if time.monotonic() >= due_mono:
                due_mono = time.monotonic() + PERIOD_S


def _read(master: int) -> bytes:
    try:
        return os.read(master, 256)
    except BlockingIOError:
        return b""


def _damaged(message: bytes) -> bytes:
    """One bit flipped in the middle, as a line without termination does it."""
    middle = len(message) // 2
    return message[:middle] + bytes((message[middle] ^ 0x01,)) + message[middle + 1 :]
