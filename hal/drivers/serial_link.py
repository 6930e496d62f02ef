"""One serial port, kept by one thread: what a controller says is heard at once, a port that went away is opened again.

The control loop never waits here. It leaves a wish in the conversation, takes what was heard last, and `check` tells it
when the link does not work. Every failure is followed by a new `begin`, so nothing said before it is taken for known.
"""

import termios
import threading
from pathlib import Path
from typing import Protocol

import serial

from hal.types import DeviceMissing, HalError

WRITE_TIMEOUT_S = 0.2
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 2.0
"""A controller that comes back is in use again this soon."""

STOP_BOUND_S = 3.0
"""How long `close` waits for the last words; the thread is a daemon and keeps no process alive."""


class Port:
    """An open serial port. Only HalError leaves it."""

    def __init__(self, device: str, path: str, baud: int) -> None:
        self._device = device
        self._path = path
        self._lock = threading.Lock()
        if not Path(path).exists():
            raise DeviceMissing(device, f"{path} is not there; plug it in, or mend 'port' in the board file")
        try:
            self._serial = serial.Serial(path, baud, timeout=0.05, write_timeout=WRITE_TIMEOUT_S, exclusive=True)
        except (OSError, termios.error) as error:
            raise self._lost(error) from error

    def read(self, for_s: float) -> bytes:
        """What has come, waiting up to `for_s` for it; empty when nothing came or somebody calls `wake`."""
        try:
            if self._serial.timeout != for_s:
                self._serial.timeout = for_s
            first = self._serial.read(1)
            return first + self._serial.read(self._serial.in_waiting) if first else b""
        except (OSError, termios.error) as error:  # serial.SerialException is an OSError, termios.error is not
            raise self._lost(error) from error

    def write(self, data: bytes) -> None:
        """Send it; DeviceMissing when the port does not take it."""
        try:
            self._serial.write(data)
        except (OSError, termios.error) as error:
            raise self._lost(error) from error

    def wake(self) -> None:
        """End a `read` that is in progress, from another thread."""
        with self._lock:
            if self._serial.is_open:
                self._serial.cancel_read()

    def close(self) -> None:
        """Give it back."""
        with self._lock:
            self._serial.close()

    def _lost(self, error: Exception) -> DeviceMissing:
        return DeviceMissing(self._device, f"{self._path} cannot be used ({error})")


class Conversation(Protocol):
    """What is said on the port. All three are called in the link's thread and raise HalError when it does not work."""

    def begin(self, port: Port) -> None:
        """Get to know whoever is there, from nothing, and bring it to its safe state."""
        ...

    def turn(self, port: Port) -> None:
        """Say what is due and listen, for some tens of milliseconds."""
        ...

    def end(self, port: Port) -> None:
        """Last words: the safe state once more."""
        ...


class SerialLink:
    """Runs a conversation on a port until it is closed. Devices that share it `join` and `close` it."""

    def __init__(self, device: str, path: str, baud: int, conversation: Conversation) -> None:
        self._device = device
        self._path = path
        self._baud = baud
        self._conversation = conversation
        self._error: HalError | None = HalError(device, "has not answered yet")
        self._crash: Exception | None = None
        self._port: Port | None = None
        self._users = 0
        self._told = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"link {path}", daemon=True)

    def start(self, bound_s: float) -> None:
        """Begin, and wait until the first `begin` is over. Raises what it raised; DeviceMissing after `bound_s`."""
        self._thread.start()
        if not self._told.wait(bound_s):
            self._stop()
            raise DeviceMissing(self._device, f"nothing usable on {self._path} within {bound_s:g} s")
        try:
            self.check()
        except HalError:
            self._stop()
            raise

    def check(self) -> None:
        """Raise the HalError that stands between us and the controller, if there is one."""
        if self._crash is not None:
            raise RuntimeError(f"the link on {self._path} ended: {self._crash!r}") from self._crash
        if self._error is not None:
            raise type(self._error)(self._error.device, self._error.why)

    def wake(self) -> None:
        """There is something new to say: do not wait for the next turn."""
        port = self._port
        if port is not None:
            port.wake()

    def join(self) -> None:
        """One more device uses the link."""
        self._users += 1

    def leave(self) -> None:
        """A device is done with the link; the last one closes it."""
        self._users -= 1
        if self._users <= 0:
            self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(STOP_BOUND_S)

    def _run(self) -> None:
        try:
            self._keep_talking()
        except Exception as crash:  # noqa: BLE001  `check` raises it in the control loop: no link just vanishes
            self._crash = crash
            self._told.set()
        finally:
            self._hang_up()

    def _keep_talking(self) -> None:
        retry_s = FIRST_RETRY_S
        while not self._stopping.is_set():
            try:
                port = self._open()
                self._conversation.begin(port)
                self._error = None
                self._told.set()
                retry_s = FIRST_RETRY_S
                while not self._stopping.is_set():
                    self._conversation.turn(port)
                self._conversation.end(port)
            except HalError as error:
                self._error = error
                self._told.set()
                # Opening a port resets some controllers (DTR), so it stays open for as long as it is there.
                if isinstance(error, DeviceMissing):
                    self._hang_up()
                self._stopping.wait(retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    def _open(self) -> Port:
        if self._port is None:
            self._port = Port(self._device, self._path, self._baud)
        return self._port

    def _hang_up(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None


def check_same_evse(pilot: str, device: str) -> None:
    """HalError when `device` (`evse[1].relays`) uses the controller of another EVSE's `pilot` (`evse[0].pilot`)."""
    if pilot.partition(".")[0] != device.partition(".")[0]:
        raise HalError(device, f"its controller is that of {pilot}; give it the port of its own EVSE")
