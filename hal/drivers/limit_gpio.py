"""A limit from outside by contacts: the grid operator's control box, a ripple control receiver, a load-shedding relay.

Each contact has its amps; of those that are closed the lowest counts. A receiver that always closes exactly one of its
contacts gives `open_amps` for when all are open, so that a cut cable is no licence.
"""

from typing import Annotated

import msgspec

from hal.drivers.gpio_lines import GpioSettings, InputTable, Lines
from hal.slot import DeviceSlot
from hal.types import BoardError, EvseFacts, ExternalLimit

Amps = Annotated[float, msgspec.Meta(ge=0, le=80)]

MOST_CONTACTS = 8


class ContactTable(InputTable, frozen=True, kw_only=True):
    """A contact, active while it is closed. `amps`: what is allowed per phase then; 0: nothing."""

    amps: Amps


class Settings(GpioSettings, frozen=True, kw_only=True):
    """[evse.external_limit] with driver = "limit_gpio". `open_amps` None: no contact closed means no limit."""

    contacts: tuple[ContactTable, ...]
    open_amps: Amps | None = None

    def check(self, evse: EvseFacts) -> None:
        """At least one contact, and not more than any receiver has."""
        super().check(evse)
        if not 1 <= len(self.contacts) <= MOST_CONTACTS:
            raise BoardError("contacts", f"found {len(self.contacts)}", f"expected 1 to {MOST_CONTACTS}")


class GpioLimit:
    """The limit that the contacts tell."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._slot = slot
        self._open_amps = settings.open_amps
        with Lines(slot) as lines:
            self._contacts = [(lines.input(contact), contact.amps) for contact in settings.contacts]
            self._lines = lines.keep()

    def read(self) -> ExternalLimit:
        """The lowest amps of the closed contacts. DeviceMissing when one line is gone."""
        closed = [amps for line, amps in self._contacts if line.is_active()]
        return ExternalLimit(min(closed) if closed else self._open_amps, self._slot.monotonic())

    def close(self) -> None:
        """The lines are given back."""
        self._lines.close()
