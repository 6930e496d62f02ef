"""The driver to copy: a contactor behind a small microcontroller on a serial line, whole and tested like every other.

How to write a driver of your own, with this file as the example:

 1. Copy it to `<role>_<technology>.py`. One device, one file; the role is one of those in hal/interfaces.py.
 2. `Settings`: the keys of its table in the board file. Units in the names, bounds in the types, no default where a
    wrong guess could hurt. Override `check`, `claims` and `bus` (hal/slot.py) where they apply.
 3. The constructor takes `(settings, slot)`. It opens the device and leaves it safe: contactor open, pilot at +12 V.
    What is not there is DeviceMissing, with the path and what to do about it.
 4. The methods are those of the role's interface, within the times written there. They are called in the 20 ms
    control loop (meters, readers and thermometers in a thread of their own), so nothing may block longer.
 5. Only HalError leaves the driver: DeviceMissing (gone), DeviceSilent (no answer in time), DeviceGarbled (an answer
    that cannot be right), HalError itself (a refusal). No logging, no endless retries, never an old value for a
    fresh one.
 6. `at_mono` is `slot.monotonic()` taken when the answer was complete, not when it was asked for.
 7. What energises is a lease that the *hardware* keeps: here the microcontroller opens by itself. A driver that
    counts the time in Python has no dead-man.
 8. After a failure the next call starts clean: flush, reopen. A USB adapter that comes back must work again.
 9. `close()` gives everything back and may be called after any failure.
10. Add its line to BACKENDS in hal/board_file.py, and `tests/hal/drivers/test_<file>.py` with a peer on the plant.
11. Describe a board that uses it and run `pytest tests/contract --board FILE` on the hardware (`--energise` to let
    it switch).

The line protocol of this example, ASCII at 115200 8N1, one answer to each request, `n` a running number from 0 to
255: `n HOLD 1 1000` (close for 1000 ms), `n HOLD 0 0` (open), answered `n OK` or `n NO reason`; `n READ`, answered
`n CLOSED` or `n OPEN` by the feedback contact.
"""

import termios
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import serial

from hal.slot import DeviceSlot, DriverSettings
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError, RelayReading

LONGEST_HOLD_S = 5.0
LONGEST_LINE_BYTES = 64


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.relays] with driver = "_blueprint". `timeout_ms`: the control loop waits that long for an answer."""

    port: str
    baud: Literal[9600, 19200, 38400, 57600, 115200] = 115200
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5

    def claims(self) -> tuple[str, ...]:
        """The port is this device's alone."""
        return (self.port,)


class SerialRelays:
    """The contactor of one EVSE, switched by a microcontroller that opens it when nobody renews."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        if not Path(settings.port).exists():
            raise DeviceMissing(
                slot.device, f"{settings.port} is not there; plug it in, or mend 'port' in the board file"
            )
        self._settings = settings
        self._slot = slot
        self._serial: serial.Serial | None = None
        self._number = 0
        try:
            self.hold(False, 0.0)
        except HalError:
            self.close()
            raise

    def hold(self, closed: bool, for_s: float) -> None:
        """Close for at most `for_s` seconds, or open now. HalError when the board refuses or does not answer."""
        if closed and not 0 <= for_s <= LONGEST_HOLD_S:  # opening is never refused
            raise HalError(
                self._slot.device, f"refused to hold for {for_s} s: this board holds 0 to {LONGEST_HOLD_S:g} s"
            )
        answer = self._ask(f"HOLD 1 {round(for_s * 1000)}" if closed else "HOLD 0 0")
        if answer != "OK":
            raise HalError(self._slot.device, f"the board refused to {'close' if closed else 'open'}: {answer}")

    def read(self) -> RelayReading:
        """The feedback contact; None where the board file says there is none."""
        answer = self._ask("READ")
        at_mono = self._slot.monotonic()
        if answer not in {"CLOSED", "OPEN"}:
            raise DeviceGarbled(self._slot.device, f"answered '{answer}' to READ, expected CLOSED or OPEN")
        return RelayReading(answer == "CLOSED" if self._slot.evse.has_feedback else None, at_mono)

    def close(self) -> None:
        """Give the port back. The contactor opens by itself, at the latest when its lease ends."""
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def _ask(self, request: str) -> str:
        """The answer to one request, without its number."""
        self._number = (self._number + 1) % 256
        try:
            port = self._open()
            port.reset_input_buffer()  # a late answer to an earlier request must not pass for this one's
            port.write(f"{self._number} {request}\n".encode())
            line = port.read_until(b"\n", LONGEST_LINE_BYTES)
        except (OSError, termios.error) as error:  # serial.SerialException is an OSError, termios.error is not
            self.close()
            raise DeviceMissing(self._slot.device, f"{self._settings.port} cannot be used ({error})") from error
        return self._answer_in(line)

    def _answer_in(self, line: bytes) -> str:
        if not line:
            why = f"no answer on {self._settings.port} within {self._settings.timeout_ms} ms"
            raise DeviceSilent(self._slot.device, why)
        number, _, answer = line.decode("ascii", "replace").rstrip("\r\n").partition(" ")
        if not line.endswith(b"\n") or number != str(self._number):
            raise DeviceGarbled(
                self._slot.device, f"answered {line!r}, expected a line that begins with {self._number}"
            )
        return answer

    def _open(self) -> serial.Serial:
        if self._serial is None:
            timeout_s = self._settings.timeout_ms / 1000
            self._serial = serial.Serial(
                self._settings.port, self._settings.baud, timeout=timeout_s, write_timeout=timeout_s, exclusive=True
            )
        return self._serial
