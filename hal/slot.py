"""What a driver is told about its place on the board, and what the board asks of a driver's settings.

Every driver file has a class `Settings(DriverSettings)` with the keys of its table in the board file, and a class
that is made with `(settings, slot)`. Both are named in the table BACKENDS of hal/board.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from hal.types import Alarm, EvseFacts, PartFacts

T = TypeVar("T")


class DriverSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every driver's settings. Override what applies; all are asked before any device is opened."""

    def amend(self, evse: EvseFacts) -> EvseFacts:
        """The facts of the EVSE with what this device adds to them (input lines fitted, how fresh a pilot is, ...)."""
        return evse

    def check(self, evse: EvseFacts) -> None:
        """Raise BoardError with the key alone as its place when the settings cannot serve this EVSE."""

    def claims(self) -> tuple[str, ...]:
        """What this device alone may use (a GPIO line, a unit id on a port); claimed twice is an error."""
        return ()

    def bus(self) -> tuple[str, str] | None:
        """A line that several devices may share, and its parameters, which must then be equal; None: no such line."""
        return None

    def nodes(self) -> tuple[str, ...]:
        """Device nodes it opens that no text setting of its own names, as DeviceAllow= takes them."""
        return ()

    def alarms(self) -> tuple[Alarm, ...]:
        """What the controller behind a pilot may find by itself and tell (PilotReading.alarms)."""
        return ()

    def maker(self) -> tuple[str, str]:
        """Vendor and model of the device, each empty where the settings do not tell."""
        return "", ""

    def part(self, role: str) -> PartFacts:
        """What the device is, as far as its settings tell."""
        vendor, model = self.maker()
        return PartFacts(role, vendor, model)

    def writes(self) -> tuple[str, ...]:
        """Directories below /sys it writes in, which are read-only to a service otherwise."""
        return ()


@dataclass(frozen=True, slots=True)
class DeviceSlot:
    """Where a device sits. `device`: its name in messages (`evse[0].meter`); `evse`: facts of its EVSE.

    `shared`: what devices of one board have in common, such as an open RS-485 line; use `share`.
    """

    device: str
    evse: EvseFacts
    monotonic: Callable[[], float]
    shared: dict[str, object] = field(default_factory=dict)

    def share(self, name: str, kind: type[T], make: Callable[[], T]) -> T:
        """The board's one object of that name, made by the first device that asks."""
        if name not in self.shared:
            self.shared[name] = make()
        found = self.shared[name]
        assert isinstance(found, kind), f"can't happen because one kind of driver uses the name {name}"
        return found
