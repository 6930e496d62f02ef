"""The lock of a socket on GPIO lines: a motor or a bistable solenoid behind an H-bridge, or a solenoid that is held.

With an `unlock` line both lines are pulses: one direction at a time, never longer than `drive_ms`. A timer of its own
ends a pulse when the control loop does not come back in time, for a motor at its stop burns. Without an `unlock` line
the solenoid is held while locked and lets go without power. That a motor lock opens when the power fails is up to the
board (a capacitor behind the bridge): no software runs then.
"""

import math
import threading
from typing import Annotated

import msgspec

from hal.drivers.gpio_lines import GpioSettings, InputTable, Lines, OutputTable
from hal.slot import DeviceSlot
from hal.types import HalError, LockReading

PULSES = 3
"""How often a lock that does not arrive is driven; a plug that sits askew often yields to the second try."""


class Settings(GpioSettings, frozen=True, kw_only=True):
    """[evse.lock] with driver = "lock_gpio". `feedback`: active while locked. `drive_ms`: a pulse, and a pause."""

    lock: OutputTable
    unlock: OutputTable | None = None
    feedback: InputTable | None = None
    drive_ms: Annotated[int, msgspec.Meta(ge=20, le=1000)] = 300


class GpioLock:
    """The lock of one socket. It stays where it is until it is told."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._slot = slot
        self._drive_s = settings.drive_ms / 1000
        self._guard = threading.Lock()  # the timer ends a pulse from its own thread
        self._timer: threading.Timer | None = None
        self._wanted: bool | None = None
        self._pulses = 0
        self._until_mono = -math.inf
        with Lines(slot) as lines:
            self._lock = lines.output(settings.lock)
            self._unlock = lines.output(settings.unlock) if settings.unlock else None
            self._feedback = lines.input(settings.feedback) if settings.feedback else None
            self._lines = lines.keep()

    def set(self, locked: bool) -> None:
        """Drive towards `locked`. Called again with the same wish it ends pulses in time, and drives once more where
        the contact says it did not arrive. DeviceMissing when a line is gone.
        """
        with self._guard:
            if self._unlock is None:
                self._lock.set(locked)
                return
            if locked is not self._wanted:
                self._wanted, self._pulses, self._until_mono = locked, 0, -math.inf
            self._step()

    def read(self) -> LockReading:
        """The feedback contact; None where the lock has none."""
        with self._guard:
            self._step()
            locked = self._feedback.is_active() if self._feedback else None
            return LockReading(locked, self._slot.monotonic())

    def close(self) -> None:
        """No current, and the lines are given back; a held solenoid lets go."""
        with self._guard:
            self._cancel()
            self._lines.close()

    def _step(self) -> None:
        """End the pulse that is over; begin the next one after its pause, unless the lock is there or it was tried
        enough.
        """
        now_mono = self._slot.monotonic()
        if now_mono < self._until_mono or self._wanted is None:
            return
        self._rest()
        paused = now_mono >= self._until_mono + self._drive_s
        if paused and self._pulses < (PULSES if self._feedback else 1) and not self._arrived():
            self._drive(self._wanted, now_mono)

    def _arrived(self) -> bool:
        return self._feedback is not None and self._feedback.is_active() is self._wanted

    def _drive(self, locked: bool, now_mono: float) -> None:
        assert self._unlock is not None, "can't happen because a held solenoid has no pulses"
        line = self._lock if locked else self._unlock
        self._timer = threading.Timer(self._drive_s, self._time_out)
        self._timer.daemon = True
        self._timer.start()
        line.set(True)
        self._pulses += 1
        self._until_mono = now_mono + self._drive_s

    def _rest(self) -> None:
        """No current in either direction."""
        self._cancel()
        self._lock.set(False)
        if self._unlock is not None:
            self._unlock.set(False)

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _time_out(self) -> None:
        with self._guard:
            if threading.current_thread() is not self._timer:
                return  # its pulse has ended, the one that runs now has a timer of its own
            self._timer = None
            for line in (self._lock, self._unlock):
                if line is not None:
                    try:
                        line.set(False)
                    except HalError:
                        continue  # the other direction still; the next call of the loop tells
