"""A serial port of the plant: a pseudo-terminal at a path, its plug that can be pulled out, the thread that serves it.

What is said on the port is its owner's affair: it waits here for something to read or to do, until the port closes.
"""

import contextlib
import os
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path

from hal.sim.faults import Fault
from hal.sim.plant import PlantEvse
from hal.types import DeviceMissing


class PtyPort:
    """A link at `path` to a pseudo-terminal, which is gone while the fault `unplugged` stands (None: there is no such).

    `device`: whose it is, for messages. DeviceMissing when the link cannot be made. The thread that serves the port
    is the only one to wait and read.
    """

    def __init__(self, evse: PlantEvse, device: str, path: Path, unplugged: Fault | None = None) -> None:
        self._evse = evse
        self._device = f"{device} {evse.evse_id}"
        self._path = path
        self._unplugged = unplugged
        self._pty: tuple[int, int] | None = None
        self._plug_in()
        self._wake_read, self._wake_write = os.pipe()
        self._thread: threading.Thread | None = None

    def start(self, run: Callable[[], None], name: str) -> None:
        """A thread of that name runs `run`, which goes on until `wait` says that the port closes."""
        self._thread = threading.Thread(target=run, name=f"{name}-{self._evse.evse_id}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and take the port away."""
        os.close(self._wake_write)
        if self._thread is not None:
            self._thread.join()
        self._pull_out()
        os.close(self._wake_read)

    def wait(self, seconds: float | None = None, listening: bool = True) -> bool | None:
        """Whether something came within `seconds` (None: however long it takes); None: the port closes.

        The plug is looked at first, so whoever has one may not wait for long. Without `listening` nothing comes.
        """
        self._obey_plug()
        master = [self._pty[0]] if self._pty is not None and listening else []
        ready, _, _ = select.select([*master, self._wake_read], [], [], seconds)
        return None if self._wake_read in ready else bool(ready)

    def read(self) -> bytes:
        """What came; empty for nothing."""
        if self._pty is None:
            return b""
        try:
            return os.read(self._pty[0], 256)
        except BlockingIOError:
            return b""

    def write(self, message: bytes) -> None:
        """Say it to whoever reads; without a plug, or when nobody reads, it is lost as on a wire."""
        if self._pty is not None:
            with contextlib.suppress(BlockingIOError):
                os.write(self._pty[0], message)

    def _obey_plug(self) -> None:
        unplugged = self._unplugged in self._evse.faults
        if unplugged and self._pty is not None:
            self._pull_out()
        elif not unplugged and self._pty is None:
            with contextlib.suppress(DeviceMissing):  # the run directory is gone: the port stays away, tried again soon
                self._plug_in()

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
            raise DeviceMissing(self._device, f"cannot make {self._path} ({error.strerror})") from error

    def _pull_out(self) -> None:
        if self._pty is None:
            return
        for side in self._pty:
            os.close(side)
        self._pty = None
        if self._path.is_symlink():
            self._path.unlink()
