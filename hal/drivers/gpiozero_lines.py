"""GPIO lines of a Raspberry Pi through gpiozero, over lgpio."""

import atexit
import contextlib
import shutil
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import gpiozero

from hal.drivers.gpio_lines import InputTable, LineTable, OutputTable
from hal.slot import DeviceSlot
from hal.types import DeviceMissing


class ZeroPins:
    """The pins of the Pi. `make`: makes gpiozero's way to them; `errors`: what it raises beside gpiozero's own."""

    def __init__(self, make: Callable[[], Any], *errors: type[Exception]) -> None:
        self.errors = (gpiozero.GPIOZeroError, OSError, *errors)
        self._make = make
        self._factory: Any = None
        self._users: set[object] = set()
        self._guard = threading.Lock()  # lines of slow devices are opened anew by the threads that read them

    def factory(self, user: object) -> Any:
        """gpiozero's factory, for whoever opens a pin."""
        with self._guard:
            if self._factory is None:
                self._factory = self._make()
            self._users.add(user)
            return self._factory

    def give_back(self, user: object) -> None:
        """The last one closes the chip, which makes every pin free for other processes."""
        with self._guard:
            self._users.discard(user)
            if not self._users and self._factory is not None:
                factory, self._factory = self._factory, None
                factory.close()


def zero_pins(slot: DeviceSlot) -> ZeroPins:
    """The pins of this machine, one object for the board; DeviceMissing where lgpio is not installed."""
    return slot.share("gpiozero", ZeroPins, lambda: _lgpio_pins(slot.device))


def _lgpio_pins(device: str) -> ZeroPins:
    # The one library under gpiozero that reaches the pins of every Pi through the kernel, the 5 among them.
    try:
        # When loaded, lgpio makes a named pipe in the working directory, where a service may write nothing. It needs it
        # for as long as it tells of edges, so the directory stays until the process ends.
        with contextlib.chdir(_scratch_directory()):
            import lgpio  # noqa: PLC0415  only a Pi has it
            from gpiozero.pins.lgpio import LGPIOFactory  # noqa: PLC0415
    except (ImportError, OSError) as error:
        remedy = "install lgpio, or name the line by chip instead of pi"
        raise DeviceMissing(device, f"gpiozero cannot reach the pins ({error}); {remedy}") from error
    return ZeroPins(LGPIOFactory, lgpio.error)


def _scratch_directory() -> str:
    directory = tempfile.mkdtemp(prefix="lgpio-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


class _ZeroLine(ABC):
    """A gpiozero device that is made anew after it failed."""

    def __init__(self, pins: ZeroPins, table: LineTable, device: str) -> None:
        self._pins = pins
        self._table = table
        self._device = device
        self._pin: Any = None
        with self._translated():
            self._pin = self._make()

    @abstractmethod
    def _make(self) -> Any:
        """gpiozero's device for this line, open."""

    def _open(self) -> Any:
        if self._pin is None:
            self._pin = self._make()
        return self._pin

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._pins.errors as error:
            self._drop()
            remedy = "see `gpioinfo` for who holds it; on anything but a Raspberry Pi name the line by chip"
            raise DeviceMissing(self._device, f"{self._table.name} cannot be used ({error}); {remedy}") from error

    def _drop(self) -> None:
        pin, self._pin = self._pin, None
        if pin is not None:
            with contextlib.suppress(*self._pins.errors):
                # An edge that is still on its way would end lgpio's thread, were its pin closed by then.
                pin.pin.when_changed = None
                pin.close()  # what failed once may fail at this too; the next call makes a new one
        self._pins.give_back(self)


class ZeroOutput(_ZeroLine):
    """A line that drives something."""

    def __init__(self, pins: ZeroPins, table: OutputTable, device: str) -> None:
        super().__init__(pins, table, device)

    def _make(self) -> Any:
        high = self._table.active == "high"
        return gpiozero.DigitalOutputDevice(
            self._table.name, active_high=high, initial_value=False, pin_factory=self._pins.factory(self)
        )

    def set(self, active: bool) -> None:
        """Drive it now; DeviceMissing when it fails."""
        with self._translated():
            self._open().value = active

    def close(self) -> None:
        """Inactive, then given back; gpiozero makes it an input."""
        if self._pin is not None:
            try:
                self.set(False)
            except DeviceMissing:
                return  # dropped already
        self._drop()


class ZeroInput(_ZeroLine):
    """A line that is read."""

    def __init__(self, pins: ZeroPins, table: InputTable, device: str, pulses: bool) -> None:
        self._pull_up = {"up": True, "down": False, "none": None}[table.pull]
        # gpiozero takes "active" from the pull: low where it pulls up, high otherwise. The table says it for itself.
        self._inverted = (table.pull == "up") != (table.active == "low")
        self._pulses = pulses
        self._rose = False
        super().__init__(pins, table, device)

    def _make(self) -> Any:
        kind = gpiozero.DigitalInputDevice if self._pulses else gpiozero.InputDevice
        floating = {"active_state": True} if self._pull_up is None else {}
        pin = kind(self._table.name, pull_up=self._pull_up, pin_factory=self._pins.factory(self), **floating)
        if self._pulses:
            setattr(pin, "when_deactivated" if self._inverted else "when_activated", self._on_rise)
        return pin

    def _on_rise(self) -> None:
        self._rose = True

    def is_active(self) -> bool:
        """Its level, or an edge since the last call; DeviceMissing when it fails."""
        rose, self._rose = self._rose, False
        with self._translated():
            return bool(self._open().is_active) != self._inverted or rose

    def close(self) -> None:
        """Given back."""
        self._drop()
